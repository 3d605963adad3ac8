// Grafeasd serves Grafeas v1 as its authors wrote it, with their checks of
// what is written and their grammar of filters, above a store in memory. It is
// a program of its own because its protocol has the same names as Google's
// client, which one program cannot have twice.
//
// It prints the address that it listens at, and ends when its standard input
// does.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	grafeas "github.com/grafeas/grafeas/go/v1/api"
	pb "github.com/grafeas/grafeas/proto/v1/grafeas_go_proto"
	"google.golang.org/grpc"
)

func main() {
	if err := serve(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	s := grpc.NewServer()
	pb.RegisterGrafeasServer(s, &grafeas.API{Storage: newStore(), Auth: everybody{}, EnforceValidation: true})
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // whoever started this holds the other end
		s.Stop()
	}()
	return s.Serve(l)
}
