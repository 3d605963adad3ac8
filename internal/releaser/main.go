// Releaser writes and checks what lies beside the programs of a release: their
// SHA-256, where they come from, and signatures of both. tools/release.sh runs
// it; nobody who uses the programs needs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `usage:
  releaser document DIR --version VERSION --commit COMMIT   write provenance.json and SHA256SUMS
  releaser sign DIR [--key KEY]                             sign both; without a key, with the one in RELEASE_KEY,
                                                            and where that is empty as the job that runs
  releaser verify DIR --key KEY                             check everything, signed with a key
  releaser verify DIR --identity GLOB --issuer URL --root FILE
                                                            the same, signed by a job
`

var errUsage = errors.New(strings.TrimSuffix(usage, "\n"))

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout) //nolint:forbidigo // this is the program itself
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "releaser:", err)
		code := 1
		if errors.Is(err, errUsage) {
			code = 2
		}
		os.Exit(code) //nolint:forbidigo // likewise
	}
}

// options are the flags of all commands.
type options struct {
	release
	key, identity, issuer, root string
}

func run(ctx context.Context, args []string, env func(string) string, out io.Writer) error {
	if len(args) < 2 {
		return errUsage
	}
	var o options
	flags := flag.NewFlagSet("releaser", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.version, "version", "", "")
	flags.StringVar(&o.commit, "commit", "", "")
	flags.StringVar(&o.key, "key", "", "")
	flags.StringVar(&o.identity, "identity", "", "")
	flags.StringVar(&o.issuer, "issuer", "", "")
	flags.StringVar(&o.root, "root", "", "")
	if err := flags.Parse(args[2:]); err != nil || flags.NArg() > 0 {
		return errUsage
	}
	o.dir, o.origin = args[1], originOf(env)
	switch args[0] {
	case "document":
		return o.document()
	case "sign":
		return o.sign(ctx, env)
	case "verify":
		by, err := o.verify(ctx, env)
		if err == nil {
			_, err = fmt.Fprintln(out, "signed by", by)
		}
		return err
	}
	return errUsage
}
