package app

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// AtLeastOne demands arguments; what says what one of them is, as in "name an
// image".
func AtLeastOne(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return errors.New("name " + what)
		}
		return nil
	}
}

// ExactlyOne demands one argument.
func ExactlyOne(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return errors.New("name " + what)
		case 1:
			return nil
		}
		return fmt.Errorf("name %s, and nothing else: %q is one too many", what, args[1])
	}
}

// AtMost allows so many arguments.
func AtMost(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > n {
			return fmt.Errorf("name %s, and no more: %q is one too many", what, args[n])
		}
		return nil
	}
}

// checkArgs makes wrong arguments mistakes of the call, for a command and those
// below it.
func checkArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			switch {
			case err == nil:
				return nil
			case c.HasSubCommands():
				return usageError(c, unknownCommand(c, args[0]))
			case check(c, nil) == nil && check(c, args[:1]) != nil:
				err = fmt.Errorf("%s takes no arguments, but %q was given", c.CommandPath(), args[0])
			}
			return usageError(c, err)
		}
	}
	for _, sub := range cmd.Commands() {
		checkArgs(sub)
	}
}

// unknownCommand is a word where one of a command's own commands was meant.
func unknownCommand(cmd *cobra.Command, word string) error {
	cmd.SuggestionsMinimumDistance = 2 // as in plna
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		return fmt.Errorf("unknown command %q\nhint: did you mean %s?", word, strings.Join(near, ", "))
	}
	return fmt.Errorf("unknown command %q", word)
}

// standard adds the commands that cobra brings, which take a mistyped word for
// a question, and end well.
func standard(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "completion":
			cmd.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
			checkArgs(cmd)
		case "help":
			cmd.Args = func(_ *cobra.Command, topic []string) error {
				if of, rest, err := root.Find(topic); err == nil && len(rest) > 0 {
					return usageError(of, unknownCommand(of, rest[0]))
				}
				return nil
			}
		}
	}
}
