package oracle

import (
	"net"
	"path/filepath"
	"testing"
)

// TestGone waits for the end of a daemon that still answers, and for none where
// there is no daemon.
func TestGone(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "daemon.sock")
	w := &world{address: "unix://" + socket}
	if !w.gone(t.Context()) {
		t.Error("a daemon without a socket is there")
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = c.Write([]byte("the settings of a protocol"))
			_ = c.Close()
		}
		ended <- err
	}()
	if !w.gone(t.Context()) {
		t.Error("a daemon whose connections end is there")
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
