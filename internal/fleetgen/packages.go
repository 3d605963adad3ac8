package fleetgen

import "fmt"

// Packages is the fleet as npm workspaces: the same folders, the same number
// of files and the same edges, so that tools for such trees can be measured
// beside ours.
func (w Wide) Packages(f func(path, content string)) {
	f("package.json", "{\"name\": \"fleet\", \"private\": true, \"packageManager\": \"npm@10.9.0\", \"workspaces\": [\"images/*\"]}\n")
	f("turbo.json", "{\"tasks\": {\"build\": {\"dependsOn\": [\"^build\"]}}}\n")
	f("package-lock.json", "{\"name\": \"fleet\", \"lockfileVersion\": 3, \"requires\": true, \"packages\": {\"\": {\"name\": \"fleet\", \"workspaces\": [\"images/*\"]}}}\n")
	f(".gitignore", ".turbo\nnode_modules\n")
	for i := range w.Images {
		dir, needs := "images/"+w.Name(i)+"/", ""
		if p, found := w.Parent(i); found {
			needs = fmt.Sprintf(", \"dependencies\": {%q: \"*\"}", w.Name(p))
		}
		f(dir+"package.json", fmt.Sprintf("{\"name\": %q, \"version\": \"1.0.0\", \"scripts\": {\"build\": \"true\"}%s}\n", w.Name(i), needs))
		w.files(i, f)
	}
}
