package services

import (
	"bytes"
	"os"
	"testing"
)

func TestTrimLog(t *testing.T) {
	t.Parallel()
	l := layout{dir: t.TempDir()}
	if err := l.trimLog("registry"); err != nil {
		t.Fatalf("without a log: %v", err)
	}
	log, err := l.logFile("registry") // as the service has it open
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	write := func(b []byte) {
		t.Helper()
		if _, err := log.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := l.trimLog("registry"); err != nil {
			t.Fatal(err)
		}
	}
	content := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(l.path(name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	write([]byte("short\n"))
	if got := content("registry.log"); string(got) != "short\n" {
		t.Errorf("a short log became %q", got)
	}
	long := bytes.Repeat([]byte("x"), mostLog)
	write(long)
	if kept := content("registry.log.1"); !bytes.Equal(kept, long) {
		t.Errorf("%d bytes are kept", len(kept))
	}
	write([]byte("after\n"))
	if got := content("registry.log"); string(got) != "after\n" {
		t.Errorf("the log goes on as %q", got)
	}
}
