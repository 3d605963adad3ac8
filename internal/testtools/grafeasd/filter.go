package main

import (
	"errors"
	"fmt"
	"strings"

	cel "github.com/grafeas/grafeas/cel"
	"github.com/grafeas/grafeas/go/filtering/common"
	"github.com/grafeas/grafeas/go/filtering/operators"
	"github.com/grafeas/grafeas/go/filtering/parser"
	pb "github.com/grafeas/grafeas/proto/v1/grafeas_go_proto"
)

// compile reads a filter with Grafeas' own grammar. What it means is told for
// equalities that are joined with AND and OR.
func compile(filter string) (func(*pb.Occurrence) (bool, error), error) {
	if filter == "" {
		return func(*pb.Occurrence) (bool, error) { return true, nil }, nil
	}
	parsed, failed := parser.Parse(common.NewStringSource(filter, "filter"))
	if failed != nil {
		return nil, errors.New(failed.String())
	}
	if _, err := eval(parsed.Expr, &pb.Occurrence{}); err != nil {
		return nil, err
	}
	return func(o *pb.Occurrence) (bool, error) { return eval(parsed.Expr, o) }, nil
}

func eval(e *cel.Expr, o *pb.Occurrence) (bool, error) {
	call := e.GetCallExpr()
	if call == nil {
		return false, fmt.Errorf("no condition: %v", e)
	}
	switch call.Function {
	case operators.Equals, operators.NotEquals:
		if len(call.Args) != 2 {
			return false, fmt.Errorf("%s with %d sides", call.Function, len(call.Args))
		}
		have, err := field(o, call.Args[0].GetIdentExpr().GetName())
		return have == call.Args[1].GetConstExpr().GetStringValue() == (call.Function == operators.Equals), err
	case operators.LogicalAnd, operators.Sequence, operators.LogicalOr:
		every, some := true, false
		for _, a := range call.Args {
			ok, err := eval(a, o)
			if err != nil {
				return false, err
			}
			every, some = every && ok, some || ok
		}
		if call.Function == operators.LogicalOr {
			return some, nil
		}
		return every, nil
	}
	return false, fmt.Errorf("%s is not known", call.Function)
}

func field(o *pb.Occurrence, name string) (string, error) {
	provider, note, _ := strings.Cut(strings.TrimPrefix(o.NoteName, "projects/"), "/notes/")
	switch name {
	case "kind":
		return o.Kind.String(), nil
	case "resourceUrl", "resource_url":
		return o.ResourceUri, nil
	case "noteProjectId":
		return provider, nil
	case "noteId":
		return note, nil
	}
	return "", fmt.Errorf("there is no field %q", name)
}
