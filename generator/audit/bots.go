package audit

import (
	"fmt"
	"strconv"
)

var botAudits = []Audit{
	{Name: "dependabot-cooldown", Doc: "A bot waits some days before it offers a new version: most that are malicious are found by then.", bots: dependabotCooldown},
}

const dependabotFile = ".github/dependabot.yml"

// bots is the configuration of what moves versions.
type bots struct {
	root   node
	report func(Finding)
}

func readBots(files map[string][]byte) (*bots, error) {
	text, found := files[dependabotFile]
	if !found {
		return nil, nil
	}
	root, err := parse(dependabotFile, text)
	return &bots{root: root}, err
}

// cooldownDays is the shortest wait.
const cooldownDays = 3

func dependabotCooldown(b *bots) {
	for _, u := range b.root.get("updates").items() {
		days, err := strconv.Atoi(u.get("cooldown", "default-days").text())
		if err != nil || days < cooldownDays {
			b.report(Finding{File: dependabotFile, Line: u.line(), Message: fmt.Sprintf("%s has no cooldown of %d days or more", u.get("package-ecosystem").text(), cooldownDays)})
		}
	}
}
