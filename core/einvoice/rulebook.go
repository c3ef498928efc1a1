package einvoice

import (
	"embed"
	"strings"
	"sync"
)

// rule is what there is to say about a rule. When it holds is in the code that names it.
type rule struct {
	severity Severity
	term     string
	message  Text
}

//go:embed rules.tsv syntax.tsv codes/*.txt
var data embed.FS

// rulebook has every rule by its id, from rules.tsv and syntax.tsv.
var rulebook = sync.OnceValue(func() map[string]rule { //nolint:gochecknoglobals // a table, made once
	book := map[string]rule{}
	for row := range rows("rules.tsv") {
		r := rule{severity: Warning, term: row[2], message: Text{English: row[3], Chinese: row[4]}}
		if row[1] == "f" {
			r.severity = Fatal
		}
		for _, id := range expand(row[0]) {
			named := r
			named.message = named.message.about(categoryOf(id))
			book[id] = named
		}
	}
	for row := range rows("syntax.tsv") {
		book[row[0]] = misplaced(row[1])
	}
	return book
})

// Explain returns what breaking a rule means; ok is false if there is no such rule.
func Explain(id string) (message Text, ok bool) {
	r, ok := rulebook()[id]
	return r.message, ok
}

// misplaced is the rule that an element or attribute should not be there.
func misplaced(path string) rule {
	what := path[strings.LastIndex(path, "/")+1:]
	if name, ok := strings.CutPrefix(what, "@"); ok {
		return rule{severity: Warning, message: Text{"The attribute " + name + " has no meaning here and is passed over.", "属性 " + name + " 在此没有意义，将被忽略。"}}
	}
	return rule{severity: Warning, message: Text{"The element " + what + " has no meaning here and is passed over.", "元素 " + what + " 在此没有意义，将被忽略。"}}
}

// rows yields the rows of an embedded table.
func rows(file string) func(yield func([]string) bool) {
	text, err := data.ReadFile(file)
	if err != nil {
		panic(err) // it is embedded
	}
	return func(yield func([]string) bool) {
		for line := range strings.Lines(string(text)) {
			if !yield(strings.Split(strings.TrimSuffix(line, "\n"), "\t")) {
				return
			}
		}
	}
}

// expand makes BR-S-01 and BR-Z-01 of BR-{S,Z}-01.
func expand(pattern string) []string {
	before, rest, found := strings.Cut(pattern, "{")
	choices, after, _ := strings.Cut(rest, "}")
	if !found {
		return []string{pattern}
	}
	ids := strings.Split(choices, ",")
	for i, choice := range ids {
		ids[i] = before + choice + after
	}
	return ids
}

// about names the category of VAT that a sentence is about.
func (t Text) about(c *category) Text {
	if c == nil {
		return t
	}
	return Text{strings.ReplaceAll(t.English, "{category}", c.name.English), strings.ReplaceAll(t.Chinese, "{category}", c.name.Chinese)}
}

// codeLists are the code lists by the name of their file.
var codeLists = sync.OnceValue(func() map[string]map[string]bool { //nolint:gochecknoglobals // a table, made once
	entries, err := data.ReadDir("codes")
	if err != nil {
		panic(err) // it is embedded
	}
	lists := map[string]map[string]bool{}
	for _, e := range entries {
		text, err := data.ReadFile("codes/" + e.Name())
		if err != nil {
			panic(err) // as above
		}
		list := map[string]bool{}
		for code := range strings.FieldsSeq(string(text)) {
			list[code] = true
		}
		lists[strings.TrimSuffix(e.Name(), ".txt")] = list
	}
	return lists
})

// IsUnit says whether a text is a code of UN/ECE recommendations 20 and 21.
func IsUnit(code string) bool { return codeLists()["rec20"][code] }
