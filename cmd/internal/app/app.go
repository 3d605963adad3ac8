// Package app is the frame of both programs: the flags that every command
// has, the one place where an error becomes an exit code, and the logger.
package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
)

// App is what a command works with.
type App struct {
	term.Streams
	Dir         string // -C: where the repository is
	Config      string // --config: rootfsgen.yaml, relative to Dir unless absolute
	JSON        bool   // --json
	Diagnostics string // --diagnostics: text, json, github or gitlab
	Quiet       bool   // -q
	Verbose     bool   // -v
	NoColor     bool   // --no-color
	Env         func(string) string
	Log         *slog.Logger

	brief bool // the program is
}

// Command makes one command of a program.
type Command func(*App) *cobra.Command

// Program is one of the two programs.
type Program struct {
	Name     string
	Short    string
	Long     string
	Example  string
	Version  string
	Commands []Command // in the order of the help page
	Brief    bool      // its commands end soon, and need not collect garbage; see App.SpareCollector
}

// CI tells whether a forge runs this process: what a desk is only warned of
// is then an error.
func (a *App) CI() bool { v := a.Env("CI"); return v != "" && v != "false" && v != "0" }

// Main runs the program and returns its exit code.
func (p Program) Main(ctx context.Context, args []string, s term.Streams) int {
	a := &App{Streams: s, Env: os.Getenv, brief: p.Brief}
	root := p.Root(a)
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	standard(root)
	cmd, err := root.ExecuteContextC(ctx)
	return a.report(ctx, cmd, err)
}

// Root is the program's tree of commands, of which each works with a.
func (p Program) Root(a *App) *cobra.Command {
	root := &cobra.Command{
		Use: p.Name, Short: p.Short, Long: p.Long, Example: p.Example, Version: p.Version,
		SilenceUsage: true, SilenceErrors: true,
		Args:              cobra.NoArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.start(cmd) },
	}
	f := root.PersistentFlags()
	f.StringVarP(&a.Dir, "directory", "C", ".", "the repository")
	f.StringVar(&a.Config, "config", "rootfsgen.yaml", "settings of the fleet; may lie outside the repository")
	f.BoolVar(&a.JSON, "json", false, "print results as JSON")
	f.StringVar(&a.Diagnostics, "diagnostics", "", "how mistakes are printed: text, json, github or gitlab (default: text, or what the CI reads)")
	f.BoolVarP(&a.Quiet, "quiet", "q", false, "print results and errors only")
	f.BoolVarP(&a.Verbose, "verbose", "v", false, "print more about what is done")
	f.BoolVar(&a.NoColor, "no-color", false, "print without colour")
	Values(root, "diagnostics", forms...)
	_ = root.MarkPersistentFlagDirname("directory") // the flag is there
	root.SetFlagErrorFunc(usageError)
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	for _, command := range p.Commands {
		cmd := command(a)
		noFiles(cmd)
		root.AddCommand(cmd)
	}
	checkArgs(root)
	return root
}

// forms are those in which mistakes are printed.
var forms = []string{"text", "json", "github", "gitlab"}

// start settles what depends on the flags.
func (a *App) start(cmd *cobra.Command) error {
	if a.NoColor {
		a.Color = false
	}
	level := slog.LevelInfo
	switch {
	case a.Quiet:
		level = slog.LevelError
	case a.Verbose:
		level = slog.LevelDebug
	}
	a.Log = slog.New(term.NewHandler(a.Err, level, a.Color))
	if err := cmd.ValidateRequiredFlags(); err != nil { // cobra would take it for a failure
		return usageError(cmd, err)
	}
	switch {
	case a.Diagnostics == "":
		a.Diagnostics = a.detectDiagnostics()
	case !slices.Contains(forms, a.Diagnostics):
		return usageError(cmd, fmt.Errorf("invalid --diagnostics %q: expected text, json, github or gitlab", a.Diagnostics))
	}
	return nil
}

func (a *App) detectDiagnostics() string {
	if a.Env("GITHUB_ACTIONS") == "true" {
		return "github"
	}
	return "text"
}
