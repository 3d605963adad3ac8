// Package dockerfile says what a target needs of its Dockerfile: which images
// it is built from, which files of the build context it can read, which build
// arguments matter, and the instructions themselves in a canonical form.
//
// BuildKit's own parser, instructions and shell lexer read the file. What is
// done with them follows BuildKit's dockerfile2llb and dockerui, version
// 0.33.1. What was found there, and what follows from it:
//
// Named contexts. For each image BuildKit looks for the option
// "context:<name>::<platform>" and then "context:<name>". The name is the
// reference as reference.FamiliarString writes it, without ":latest":
// "docker.io/library/busybox" is looked for as "busybox", "base:latest" as
// "base", "base:1" as "base:1". [Ref.Context] is that name; the platform is
// added only where it is not the target's.
//
// The named contexts of an image.yaml are given to BuildKit as they are
// ([Options.Contexts]): one takes the place of every reference of its name, and
// of the stage of its name, whose instructions are dropped then. BuildKit looks
// at what these need all the same, so their references stay. Of a folder
// BuildKit applies the .dockerignore in it, and knows no other; of a stage that
// begins with a folder all files count. Such an image shows in its history how an
// instruction is written, blanks and all, and the number of its stage: there these
// count. So it is on an outside image with fewer entries in its history than
// layers, which images.lock does not tell; there two keys that are the same can
// stand for two histories, and the files are the same.
//
// Stages and named contexts share one table. The name of every stage is looked
// up there too, reached or not, and a stage that is found is replaced as a
// whole: with "context:base" given, "FROM base AS base" loses all its
// instructions. So an image whose name is also that of a stage gets another
// name, below a host that cannot exist, and the reference in the Dockerfile is
// replaced by it ([Ref.Rewrite], model.AliasHost, model.Recipe.Rewritten). A reference can only
// be replaced where it stands on one line of this file.
//
// A stage that only a trigger of ONBUILD uses is found late. Images of its COPY
// --from and mounts have been resolved by then without a named context, and are
// not resolved again; those are an error here.
//
// FROM knows the stages above it by their exact names, in lower case. COPY
// --from knows all stages, by name in any case or by number; a mount's from=
// knows them by name only. A stage that stands further down is an error when it
// is used.
//
// A base that is not known may set any variable: ${NAME:-default} has no value
// then, and neither has what is made of it. A source that needs one may be
// anything in the context. Its triggers are not known either; the builder
// refuses to build on one that has some (model.NamedContext.Inherits).
//
// Variables. An image without PATH has BuildKit's own. COPY --from and a
// mount's from= have none. FROM sees the global
// arguments only. A stage that begins with another inherits its ARGs and then
// its ENVs; an image gives only its ENVs. A build argument that is given
// replaces the default of every ARG of its name, global or not, and replaces
// BUILDPLATFORM and its kin: those are given the target's platform, so that the
// machine that builds does not matter.
//
// Reads. The sources of COPY and ADD are matched by path.Match, one component
// at a time; "**" has a meaning only with --parents. A pattern that matches
// nothing is no error for BuildKit, a path that does not exist is, and so is a
// pattern whose first folder was not sent: its client may send that for a link
// which some source matches, an ignored one too (model.ModeUnsentLink). --exclude is
// matched below the folder that is copied, never against the source itself, and
// knows no variables. Links on the way to a source are followed, with the
// context as the root of absolute ones; links inside a folder are copied as
// links. BuildKit takes "../x" for "x", in sources and in links: it is followed
// so, and is said. Folders that a pattern matches are made, though nothing in
// them is copied. The files that stand in the way of a pattern of --parents are
// looked at through links.
//
// Mistakes. What only makes the build of the image fail, and leaves the plan
// sound, is a warning on a desk and an error in CI: a source that is not there,
// a submodule, a COPY of a URL, a stage that comes too late.
//
// The ignore file is <Dockerfile>.dockerignore beside the Dockerfile, or else
// .dockerignore in the context. Select has applied it, so the builder must be
// given none: where "COPY ." reads .dockerignore itself, BuildKit would apply
// it, though <Dockerfile>.dockerignore takes its place. Giving the builder a
// <Dockerfile>.dockerignore that holds only a comment prevents that. Patterns
// match as in BuildKit's walk through a folder. Where a look at the single path
// says otherwise, its own client sends the file without its content; here it is
// sent with it.
package dockerfile
