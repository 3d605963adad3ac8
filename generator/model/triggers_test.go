package model_test

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

func TestCheckCron(t *testing.T) {
	t.Parallel()
	for cron, want := range map[string]string{
		"17 5 * * 1-5":               "",
		"17 6 * * 0":                 "",
		"*/5 * * * *":                "",
		"0,15,30,45 0-23 1 1-12/3 *": "",
		"3/20 * * * *":               "",
		"":                           "five fields",
		"17 5 * *":                   "five fields",
		"17  5 * * *":                "five fields",
		"17 5 * * * *":               "five fields",
		"@daily":                     "five fields",
		"60 5 * * *":                 `the minute "60": "60" is no number from 0 to 59`,
		"17 24 * * *":                "the hour",
		"17 5 0 * *":                 "the day of the month",
		"17 5 * 13 *":                "the month",
		"17 5 * * 7":                 `the day of the week "7": "7" is no number from 0 to 6`,
		"17 5 * * MON":               "the day of the week",
		"017 5 * * *":                "the minute",
		"+7 5 * * *":                 "the minute",
		"17 5 * * 5-1":               "the range ends before it begins",
		"17 5 * * 1-":                "the day of the week",
		"17 */0 * * *":               "the hour",
		"*/4 * * * *":                "more often than every 5 minutes",
		"* 5 * * *":                  "more often than every 5 minutes",
		"0,57 * * * *":               "more often than every 5 minutes",
		"17 5 * * 1'; true":          "five fields",
		"${{github.sha}} 5 * * 1":    "the minute",
	} {
		err := model.CheckCron(cron)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", cron, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want %q", cron, err, want)
		}
	}
}

// TestDefaultTriggersAreValid keeps the defaults to what a person may write.
func TestDefaultTriggersAreValid(t *testing.T) {
	t.Parallel()
	s := model.DefaultTriggers().Schedule
	for _, cron := range []string{s.Lock, s.Bases} {
		if err := model.CheckCron(cron); err != nil {
			t.Error(err)
		}
	}
}
