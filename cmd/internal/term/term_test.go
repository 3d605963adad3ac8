package term

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	t.Parallel()
	table := NewTable("IMAGE", "BECAUSE")
	table.Row("café", "files/motd")
	table.Row("a")
	for person, want := range map[bool]string{
		true:  "IMAGE  BECAUSE\ncafé   files/motd\na\n",
		false: "café\tfiles/motd\na\n",
	} {
		var b bytes.Buffer
		if err := table.Write(&b, person); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, b.String()); d != "" {
			t.Errorf("person %v: %s", person, d)
		}
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := slog.New(NewHandler(&b, slog.LevelInfo, false)).With("image", "python")
	log.Debug("unseen")
	log.Info("built", "seconds", 3)
	log.Warn("old base")
	log.Error("lost", "err", errors.New("gone"))
	want := "built image=python seconds=3\nwarning: old base image=python\nerror: lost image=python err=gone\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}
