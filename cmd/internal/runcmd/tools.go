package runcmd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/runtime/download"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

func toolsCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "tools", Short: "List the outside programs that the steps need, or install them",
		Example: "  rootfsrun tools --json\n  rootfsrun tools install",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return listTools(cmd.Context(), a) },
	}
	cmd.AddCommand(toolsListCommand(a), toolsInstallCommand(a))
	return cmd
}

func toolsListCommand(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the outside programs, where they are, and how to get them", Args: cobra.NoArgs,
		Example: "  rootfsrun tools list --json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return listTools(cmd.Context(), a) },
	}
}

// sumsFile is where a repository pins the archives of programs.
const sumsFile = "tools.sha256"

func toolsInstallCommand(a *app.App) *cobra.Command {
	var o tools.Options
	var sums string
	cmd := &cobra.Command{
		Use: "install [PROGRAM...]", Short: "Install the programs that are missing", Args: cobra.ArbitraryArgs,
		Long: `Install the programs that are missing, all or those that are named: those of
Debian's packages with apt, as root, and buildkitd, buildctl, the registry, syft
and grype into .cache/bin of the repository.

These five come as archives from where their projects publish them, or from a
mirror of that, if the archive's SHA-256 is given: in the file ` + sumsFile + ` of the
repository, as sha256sum writes it. Only the program itself is unpacked. Without
a SHA-256 the pinned module is compiled with the Go of this machine, through the
module proxy that GOPROXY names; it must have the pinned sum.`,
		Example: "  rootfsrun tools install\n  rootfsrun tools install syft grype\n  rootfsrun tools install --mirror https://mirror.example.com/github",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, p := range tools.Programs() {
				names = append(names, p.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range args {
				if !slices.ContainsFunc(tools.Programs(), func(p tools.Program) bool { return p.Name == name }) {
					return app.Fail(app.ExitUsage, fmt.Errorf("there is no program %q\nhint: \"rootfsrun tools list\" shows them", name))
				}
			}
			o.Only = args
			cache, err := a.Cache()
			if err != nil {
				return err
			}
			root, err := a.Root()
			if err != nil {
				return err
			}
			if o.Sums, err = readSums(root, sums); err != nil {
				return err
			}
			if o.Client, err = download.New(download.Options{Log: a.Log}); err != nil {
				return err
			}
			o.Bin = filepath.Join(cache, "bin")
			return tools.Install(cmd.Context(), a.Err, o)
		},
	}
	cmd.Flags().StringVar(&o.Mirror, "mirror", "", "`address` that stands in for https://github.com")
	cmd.Flags().StringVar(&sums, "sums", "", "`file` with the SHA-256 of archives (default: "+sumsFile+" of the repository, where there is one)")
	return cmd
}

// sumLine is a line as sha256sum writes it.
var sumLine = regexp.MustCompile(`^([0-9a-f]{64})[ \t]+\*?([^\s/]+)$`)

// readSums reads the file that was named, or that of the repository.
func readSums(root, named string) (map[string]string, error) {
	file := cmp.Or(named, filepath.Join(root, sumsFile))
	content, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) && named == "" {
		return nil, nil
	}
	if err != nil {
		return nil, app.Unread("--sums", err)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := sumLine.FindStringSubmatch(line)
		if m == nil {
			return nil, app.Fail(app.ExitUsage, fmt.Errorf("%s: %.100q is not a line of sha256sum", file, line))
		}
		sums[m[2]] = m[1]
	}
	return sums, nil
}

// listTools prints what there is.
func listTools(ctx context.Context, a *app.App) error {
	cache, err := a.Cache()
	if err != nil {
		return err
	}
	list := tools.List(ctx, filepath.Join(cache, "bin"))
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(list)
	}
	table := term.NewTable("PROGRAM", "PATH", "VERSION", "NEEDED FOR")
	for _, t := range list {
		path := t.Path
		if path == "" {
			path = "missing: " + t.Get
		}
		table.Row(t.Name, path, t.Version, t.Use)
	}
	return table.Write(a.Out, a.OutTTY)
}
