// Package layouts models how public repositories full of Dockerfiles are laid
// out, and shows that the generator understands them: which folders are
// images, what is built from what, and what an edit affects.
//
// Every folder of testdata is one layout, written by hand: tree.txtar is the
// repository, rootfsgen.yaml the rules that its owner would write, edges.txt
// what is built from what, edits.txt what each edit affects, folder.txt the same
// where every file of a folder counts, diagnostics.txt
// what is found wrong, names.txt what some images are called, init.txt how much
// "rootfsgen init" must find without any rules, and README.md what is irregular.
//
// An image is named here by its build file, without "/Dockerfile" at its end.
package layouts
