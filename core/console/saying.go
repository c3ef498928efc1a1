package console

import (
	"strings"

	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/schema"
)

// sayings are what the hub says by a code, and what its arguments are: a prefix of keys that name them in words, or "" for what
// is said as it is.
var sayings = map[string][]string{ //nolint:gochecknoglobals // a table
	"asked_by_matching": nil,
	"broken":            {"", "rule."},
	"broken_all":        {"", "rule.", ""},
	"fewer_than_before": {"", "state.entity.", ""},
	"fewer_than_linked": {"", "state.entity.", ""},
	"held_by_matching":  {"", "state.entity."},
	"may_be_there":      nil,
	"more_lines":        nil,
	"not_linked":        {"state.entity.", ""},
	"not_linked_all":    {"state.entity.", "", ""},
	"read_again":        {"", ""},
	"refers_to_no_id":   {"state.entity."},
	"refers_unpushed":   {"state.entity."},
	"run_began":         nil,
	"run_goes_on":       nil,
	"run_is":            {"state.run."},
	"run_taken_over":    nil,
	"unmapped":          nil,
	"waits_for":         {"state.entity."},
}

// told says a saying in the reader's words; where there are none, the text that was stored. Of a broken rule the stored text
// says more, but in English.
func told(lang string, words catalogue, s *schema.Saying, stored string) string {
	if s == nil || lang == "en" && strings.HasPrefix(s.Code, "broken") {
		return stored
	}
	return worded(lang, words, s, "said."+s.Code, stored)
}

// remedied says what to do about a saying.
func remedied(lang string, words catalogue, s *schema.Saying, stored string) string {
	if s == nil {
		return stored
	}
	return worded(lang, words, s, "remedy."+s.Code, stored)
}

func worded(lang string, words catalogue, s *schema.Saying, key, stored string) string {
	kinds, known := sayings[s.Code]
	text, there := words[key]
	if !known || !there || len(kinds) != len(s.Args) {
		return stored
	}
	args := make([]any, len(s.Args))
	for i, arg := range s.Args {
		if args[i] = arg; kinds[i] != "" {
			word, ok := words[kinds[i]+arg]
			if !ok {
				return stored
			}
			args[i] = inSentence(lang, word)
		}
	}
	if !strings.Contains(text, "%") {
		return text
	}
	return words.text(key, args...)
}

// brokenRule says which rule is broken, in other languages than the store's by the rule's name.
func brokenRule(lang string, words catalogue, broken schema.Violation) string {
	if said, ok := words["rule."+broken.Rule]; ok && lang != "en" {
		return said
	}
	return broken.Message
}

// sayingOf is what a letter says: older ones have their violations alone.
func sayingOf(said *schema.Saying, violations schema.Violations) *schema.Saying {
	if said != nil && (said.Code != "unmapped" || len(violations) == 0) {
		return said
	}
	return violations.Saying()
}

// telling are the functions by which templates say what was stored.
func telling(lang string, words catalogue) map[string]any {
	letter := func(said *schema.Saying, violations schema.Violations, stored string) string {
		return told(lang, words, sayingOf(said, violations), stored)
	}
	return map[string]any{
		"rule":    func(broken schema.Violation) string { return brokenRule(lang, words, broken) },
		"letter":  func(d job.DeadLetter) string { return letter(d.Said, d.Violations, d.Message) },
		"letters": func(c job.LetterCause) string { return letter(c.Said, c.Violations, c.Message) },
		"line":    func(l job.Line) string { return told(lang, words, l.Said, l.Message) },
		"failure": func(f job.Failure) string { return told(lang, words, f.Said, f.Message) },
		"cause":   func(c link.Cause) string { return letter(c.Said, c.Violations, c.Message) },
		"help": func(of any) string {
			switch of := of.(type) {
			case *job.Failure:
				return remedied(lang, words, of.Said, of.Remedy)
			case *link.Cause:
				return remedied(lang, words, of.Said, of.Remedy)
			}
			return ""
		},
	}
}
