package runcmd

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/runtime/services"
)

// serviceOptions are the options of every command that needs services.
func serviceOptions(a *app.App, cache string) services.Options {
	mirrors, err := services.ParseMirrors(a.Env(services.MirrorsVariable))
	if err != nil {
		a.Log.Warn(err.Error() + ": no mirror is used")
	}
	return services.Options{Bin: filepath.Join(cache, "bin"), BuildkitHost: a.Env("BUILDKIT_HOST"), Mirrors: mirrors}
}

func servicesCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "services", Short: "Start, stop and look at a local buildkitd and registry",
		Long: `Start, stop and look at a buildkitd and a registry on this machine.

Everything they have lies below .cache/services of the repository. They go on
running when the command has ended. Starting is safe to repeat: what runs is
left alone, what has died is started again on the same data. Where the variable
BUILDKIT_HOST is set, that buildkitd is used and none is started.`,
		Example: "  rootfsrun services start\n  rootfsrun services status --json\n  rootfsrun services stop",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "start", Short: "Start what does not run, and wait until it answers", Args: cobra.NoArgs,
			Example: "  rootfsrun services start",
			RunE: func(cmd *cobra.Command, _ []string) error {
				cache, err := a.Cache()
				if err != nil {
					return err
				}
				state, err := services.Start(cmd.Context(), cache, serviceOptions(a, cache))
				if err != nil {
					return err
				}
				return printState(a, state)
			},
		},
		&cobra.Command{
			Use: "ensure", Short: "Make sure that there is a buildkitd: check BUILDKIT_HOST, else start", Args: cobra.NoArgs,
			Example: "  BUILDKIT_HOST=tcp://builder:1234 rootfsrun services ensure",
			RunE: func(cmd *cobra.Command, _ []string) error {
				cache, err := a.Cache()
				if err != nil {
					return err
				}
				state, err := services.Ensure(cmd.Context(), cache, serviceOptions(a, cache))
				if err != nil {
					return err
				}
				return printState(a, state)
			},
		},
		&cobra.Command{
			Use: "stop", Short: "Stop them; their data stay", Args: cobra.NoArgs,
			Example: "  rootfsrun services stop",
			RunE: func(cmd *cobra.Command, _ []string) error {
				cache, err := a.Cache()
				if err != nil {
					return err
				}
				return services.Stop(cmd.Context(), cache)
			},
		},
		&cobra.Command{
			Use: "status", Short: "Tell what runs and where; exit code 1 unless all of it does", Args: cobra.NoArgs,
			Example: "  rootfsrun services status --json",
			RunE:    func(cmd *cobra.Command, _ []string) error { return servicesStatus(a, cmd) },
		},
	)
	return cmd
}

func printState(a *app.App, state *services.State) error {
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(state)
	}
	if _, err := fmt.Fprintln(a.Out, "buildkitd", state.BuildkitAddr); err != nil {
		return err
	}
	if state.Registry == "" {
		return nil
	}
	_, err := fmt.Fprintln(a.Out, "registry ", state.Registry)
	return err
}

func servicesStatus(a *app.App, cmd *cobra.Command) error {
	cache, err := a.Cache()
	if err != nil {
		return err
	}
	state, all, err := services.Status(cmd.Context(), cache, serviceOptions(a, cache))
	if err != nil {
		return err
	}
	if a.JSON {
		err = json.NewEncoder(a.Out).Encode(struct {
			*services.State
			Services []services.Service `json:"services"`
		}{state, all})
	} else {
		table := term.NewTable("SERVICE", "STATE", "PID", "ADDRESS", "LOG")
		for _, s := range all {
			pid, running := "", "stopped"
			if s.Running {
				running = "running"
			}
			if s.PID != 0 {
				pid = strconv.Itoa(s.PID)
			}
			table.Row(s.Name, running, pid, s.Address, s.Log)
		}
		err = table.Write(a.Out, a.OutTTY)
	}
	if err != nil {
		return err
	}
	for _, s := range all {
		if !s.Running {
			return app.Fail(app.ExitFailed, nil)
		}
	}
	return nil
}
