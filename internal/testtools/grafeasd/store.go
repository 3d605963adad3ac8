package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/grafeas/grafeas/go/iam"
	grafeas "github.com/grafeas/grafeas/go/v1/api"
	pb "github.com/grafeas/grafeas/proto/v1/grafeas_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// everybody may do everything.
type everybody struct{}

// CheckAccessAndProject implements grafeas.Auth.
func (everybody) CheckAccessAndProject(context.Context, string, string, iam.Permission) error {
	return nil
}

// EndUserID implements grafeas.Auth.
func (everybody) EndUserID(context.Context) (string, error) { return "somebody", nil }

// PurgePolicy implements grafeas.Auth.
func (everybody) PurgePolicy(context.Context, string, string, iam.Resource) error { return nil }

// store keeps notes and occurrences. What it does not implement nobody asks
// for, and ends the call with a panic.
type store struct {
	grafeas.Storage

	mu          sync.Mutex
	notes       map[string]*pb.Note
	occurrences []*pb.Occurrence
}

func newStore() *store { return &store{notes: map[string]*pb.Note{}} }

// CreateNote implements grafeas.Storage.
func (s *store) CreateNote(_ context.Context, project, id, _ string, n *pb.Note) (*pb.Note, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := "projects/" + project + "/notes/" + id
	if s.notes[name] != nil {
		return nil, status.Errorf(codes.AlreadyExists, "note %s exists", name)
	}
	n.Name = name
	s.notes[name] = n
	return n, nil
}

// CreateOccurrence implements grafeas.Storage.
func (s *store) CreateOccurrence(_ context.Context, project, _ string, o *pb.Occurrence) (*pb.Occurrence, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notes[o.NoteName] == nil {
		return nil, status.Errorf(codes.NotFound, "note %s not found", o.NoteName)
	}
	o.Name = fmt.Sprintf("projects/%s/occurrences/%d", project, len(s.occurrences))
	o.Kind = kindOf(o)
	o.CreateTime = timestamppb.Now()
	o.UpdateTime = o.CreateTime
	s.occurrences = append(s.occurrences, o)
	return o, nil
}

func kindOf(o *pb.Occurrence) pb.NoteKind {
	switch o.Details.(type) {
	case *pb.Occurrence_Vulnerability:
		return pb.NoteKind_VULNERABILITY
	case *pb.Occurrence_Discovery:
		return pb.NoteKind_DISCOVERY
	}
	return pb.NoteKind_NOTE_KIND_UNSPECIFIED
}

// ListOccurrences implements grafeas.Storage.
func (s *store) ListOccurrences(_ context.Context, _, filter, token string, size int32) ([]*pb.Occurrence, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	matches, err := compile(filter)
	if err != nil {
		return nil, "", status.Errorf(codes.InvalidArgument, "invalid filter: %v", err)
	}
	var found []*pb.Occurrence
	for _, o := range s.occurrences {
		if ok, err := matches(o); err != nil {
			return nil, "", status.Errorf(codes.InvalidArgument, "invalid filter: %v", err)
		} else if ok {
			found = append(found, o)
		}
	}
	from := 0
	if token != "" {
		if from, err = strconv.Atoi(token); err != nil || from < 0 || from > len(found) {
			return nil, "", status.Error(codes.InvalidArgument, "invalid page token")
		}
	}
	to := min(from+int(size), len(found))
	next := ""
	if to < len(found) {
		next = strconv.Itoa(to)
	}
	return found[from:to], next, nil
}
