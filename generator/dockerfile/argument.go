package dockerfile

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// spare finds the arguments that were given and that only a FROM takes which
// is not reached, directly or by the default of another.
func (r *resolver) spare() {
	if len(r.o.Args)+len(r.taken) == 0 {
		return
	}
	taken := map[string]bool{}
	for _, s := range r.stages {
		for _, name := range s.used {
			taken[name] = true
		}
	}
	for _, i := range slices.Backward(r.file.meta) {
		cmd, isArg := i.cmd.(*instructions.ArgCommand)
		if !isArg {
			continue
		}
		for _, arg := range cmd.Args {
			value, isGiven := r.given(arg.Key)
			switch _, matters := r.out.Args[arg.Key]; {
			case !taken[arg.Key]:
			case isGiven && !matters && arg.Key != sourceDateEpoch:
				if r.out.Spare == nil {
					r.out.Spare = map[string]string{}
				}
				r.out.Spare[arg.Key] = value
			case !isGiven && arg.Value != nil:
				for _, name := range r.global.expand(*arg.Value, r.file.escape, false).used {
					taken[name] = true
				}
			}
		}
	}
}

// sourceDateEpoch is the argument that says what time it is for a build.
const sourceDateEpoch = "SOURCE_DATE_EPOCH"

// isReserved tells whether an argument is the builder's own business.
func isReserved(name string) bool {
	return name == sourceDateEpoch || strings.HasPrefix(name, "BUILDKIT_")
}

// isProxy tells whether BuildKit hands an argument to every RUN though nothing
// declares it.
func isProxy(name string) bool {
	switch strings.ToLower(name) {
	case "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy":
		return true
	}
	return false
}

// declared are the names of all arguments in the file.
func (f *File) declared() map[string]bool {
	out := map[string]bool{}
	add := func(all []instruction) {
		for _, i := range all {
			if cmd, isArg := i.cmd.(*instructions.ArgCommand); isArg {
				for _, arg := range cmd.Args {
					out[arg.Key] = true
				}
			}
		}
	}
	add(f.meta)
	for _, s := range f.stages {
		add(s.body)
	}
	return out
}

// argument notes a build argument that was given and can matter.
func (r *Resolved) argument(name, value string) {
	if r.Args == nil {
		r.Args = map[string]string{}
	}
	r.Args[name] = value
}
