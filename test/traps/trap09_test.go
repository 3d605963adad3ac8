package traps

import "testing"

// TestTrap09StagesAndMounts: a parent is named not only by the last FROM. It may
// stand behind an argument, in an earlier stage, in COPY --from or in a mount;
// a stage that the target does not reach names none.
func TestTrap09StagesAndMounts(t *testing.T) {
	t.Parallel()
	files := map[string]string{"images/app/Dockerfile": `ARG RUNTIME=final
FROM build AS compile
FROM unreached AS debug
RUN --mount=type=bind,from=mounted,target=/m true
FROM ${RUNTIME}
COPY --from=compile /out /out
COPY --from=copied /file /file
RUN --mount=type=bind,from=data,target=/m cp /m/file /
`}
	parents := []string{"build", "copied", "data", "final"}
	for _, name := range append([]string{"unreached", "mounted"}, parents...) {
		files["images/"+name+"/Dockerfile"] = "FROM scratch\nCOPY file /\n"
		files["images/"+name+"/file"] = "1\n"
	}
	d := newDesk(t, files)
	d.Git("tag", "v1")
	for i, name := range parents {
		at := d.Commit(map[string]string{"images/" + name + "/file": string(rune('a' + i))})
		p := d.plan("--from", at+"~1", "--to", at)
		p.builds("app", name)
		p.because("app", parent(name+":0"))
	}
	at := d.Commit(map[string]string{"images/unreached/file": "2\n", "images/mounted/file": "2\n"})
	d.plan("--from", at+"~1", "--to", at).builds("mounted", "unreached")
}
