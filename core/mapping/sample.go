package mapping

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
)

// makeUp fills a document with a value for most rules.
func makeUp(rules []rule, doc map[string]any, random *rand.Rand) {
	for i := range rules {
		r := &rules[i]
		switch {
		case random.IntN(8) == 0 && r.crm.hole() == 0 && !r.sendNull && !r.absentEmpty:
			// Left out: what is absent must stay absent, unless it is sent as null, or taken for it.
		case r.each != nil:
			list := make([]any, random.IntN(4))
			for n := range list {
				element := map[string]any{}
				makeUp(r.each, element, random)
				list[n] = element
			}
			r.crm.set(doc, list)
		case r.link != "":
			r.crm.set(doc, fmt.Sprint(random.IntN(1e6)+1))
		default:
			for range 50 {
				if v := madeUpValue(r.source, random); r.tested == nil || r.tested(v) {
					r.crm.set(doc, v)
					break
				}
			}
		}
	}
}

// sampled is what a value for a rule with a format is made of: the format says more than the schema where that leaves the
// value open, or where the other side's type does.
func sampled(format string, crm, remote node) node {
	of := func(schema map[string]any) node { return node{crm.root, schema} }
	switch {
	case format == "date", format == "date-time", format == "decimal":
		return of(map[string]any{"format": format})
	case format == "unix", format == "unix_ms":
		return of(map[string]any{"format": timeKind(crm)})
	case format == "integer" && crm.only("string"), format == "integer" && crm.isDecimal():
		return of(map[string]any{"enum": []any{"0", "7", "-12", "4711"}})
	case format == "integer":
		return of(map[string]any{"type": "integer"})
	case format == "text" && remote.is("string"):
		return crm
	case format == "text" && remote.is("boolean"):
		return of(map[string]any{"enum": []any{"true", "false"}})
	}
	return of(map[string]any{"enum": []any{"0", "7", "-12", "4711"}})
}

// madeUpValue makes a value that may stand at a place.
func madeUpValue(n node, random *rand.Rand) any {
	if enum := n.enum(); len(enum) > 0 {
		return enum[random.IntN(len(enum))]
	}
	switch {
	case n.schema != nil && n.is("boolean") && !n.is("string"):
		return random.IntN(2) == 0
	case n.schema != nil && n.is("integer") && !n.is("string"):
		return json.Number(fmt.Sprint(random.IntN(1000)))
	}
	switch n.text("format") {
	case "decimal":
		d, _ := decimalOf(fmt.Sprintf("%d.%02d", random.IntN(1000), random.IntN(100)))
		return d.String()
	case "date":
		return fmt.Sprintf("20%02d-%02d-%02d", random.IntN(100), 1+random.IntN(12), 1+random.IntN(28))
	case "date-time":
		return fmt.Sprintf("20%02d-%02d-%02dT%02d:%02d:%02dZ", random.IntN(100), 1+random.IntN(12), 1+random.IntN(28), random.IntN(24), random.IntN(60), random.IntN(60))
	}
	letters := []rune("ABCDEFGHIJ 客户é-")
	text := make([]rune, 1+random.IntN(12))
	for i := range text {
		text[i] = letters[random.IntN(len(letters))]
	}
	return string(text)
}

// sameLinks links every id to itself.
type sameLinks struct{}

func (sameLinks) Remote(_, id string) (string, bool) { return id, true }
func (sameLinks) Local(_, id string) (string, bool)  { return id, true }
