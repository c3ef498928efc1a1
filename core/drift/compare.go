package drift

import (
	"maps"
	"slices"

	"crmhub/core/mapping"
	"crmhub/core/schema"
)

// How much must have come before what is other is worth a word. Where the schema says what may come, nothing need have.
const (
	settledObjects  = 50   // a member that none of so many objects had is new, another type than so many values had is another
	settledAlways   = 500  // a member that all of so many objects had always comes
	goneObjects     = 20   // so many objects in a row without a member that always came till then: it is gone
	settledNumbers  = 200  // decimals
	settledTexts    = 1000 // codes and lengths, and null where there never was one
	mostCodes       = 12   // different texts of a code
	longerAtLeast   = 20   // characters more than twice the longest
	cleanToResolved = 100  // in a row that do not show it any more
)

// Kind says what changed.
type Kind string

// The kinds.
const (
	NewField     Kind = "new_field"     // a member that never came, and that the schema does not name
	MissingField Kind = "missing_field" // a member that always came, or that the schema requires, does not come
	NewType      Kind = "new_type"      // a value of another type
	NewCode      Kind = "new_code"      // a text where till now there were only a few others
	LongerText   Kind = "longer_text"   // a text longer than the schema allows, or than twice what ever came
	MoreDecimals Kind = "more_decimals" // a number with more digits behind the point than ever came
)

// Kinds are all there are.
var Kinds = []Kind{NewField, MissingField, NewType, NewCode, LongerText, MoreDecimals} //nolint:gochecknoglobals // a list

// Detail is what a finding says beside its kind and place. It holds no values.
type Detail struct {
	Before []string `json:"before,omitempty" doc:"The types there were, or that the schema allows."`
	Types  []string `json:"types,omitempty" doc:"Those that came now."`
	Limit  int      `json:"limit,omitempty" doc:"The most characters or decimals before, or the schema's limit."`
	Most   int      `json:"most,omitempty" doc:"The most that came now."`
	Schema bool     `json:"schema,omitempty" doc:"The record's schema forbids it: such records are refused."`
}

// seen is something that is other than before.
type seen struct {
	kind    Kind
	pointer string
	count   int64 // how often, at least
	of      int64 // how often it could have been
	detail  Detail
	codes   []uint64 // hashes of the new ones
}

// comparison compares what came now with what came before.
type comparison struct {
	mapping *mapping.Mapping
	found   []seen
}

func compare(before, now *Profile, m *mapping.Mapping) []seen {
	c := comparison{mapping: m}
	before.align(before.Root, now.Root)
	c.object("", before.Root, now.Root)
	return c.found
}

func (c *comparison) add(s seen) { c.found = append(c.found, s) }

// place compares a place that came now, and what is below it. before is nil if it never came.
func (c *comparison) place(pointer string, before, now *Place, expected mapping.Expected) {
	if before == nil {
		before = &Place{}
	}
	c.types(pointer, before, now, expected)
	if now.Texts > 0 {
		c.length(pointer, before, now, expected)
		c.code(pointer, before, now, expected)
	}
	c.decimals(pointer, before, now, expected)
	c.object(pointer, before, now)
	if now.Each != nil {
		at := pointer + "/*"
		c.place(at, before.Each, now.Each, c.mapping.Expect(at))
	}
}

// object compares the members of a place.
func (c *comparison) object(pointer string, before, now *Place) {
	if now.Objects == 0 || now.Names {
		return
	}
	required := c.mapping.Expect(pointer).Required
	names := map[string]bool{}
	for _, name := range required {
		names[name] = true
	}
	for _, members := range []map[string]*Place{before.Members, now.Members} {
		for name := range members {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		at := pointer + "/" + schema.EscapePointer(name)
		was, is := before.Members[name], now.Members[name]
		if absent := now.absent(name); absent > 0 && (slices.Contains(required, name) || always(before, was, absent, is == nil)) {
			c.add(seen{kind: MissingField, pointer: at, count: absent, of: now.Objects, detail: Detail{Schema: slices.Contains(required, name)}})
		}
		if is == nil {
			continue
		}
		expected := c.mapping.Expect(at)
		if was == nil && !expected.Described && before.Objects >= settledObjects {
			c.add(seen{kind: NewField, pointer: at, count: is.Seen, of: now.Objects, detail: Detail{Types: is.types()}})
			continue // all that is below it is new
		}
		c.place(at, was, is, expected)
	}
}

func (at *Place) absent(name string) int64 {
	m := at.Members[name]
	if m == nil {
		return at.Objects
	}
	return at.Objects - m.Seen
}

// always reports whether a member came with all objects until it stopped, and whether there were enough of them to say so.
func always(object, member *Place, absent int64, gone bool) bool {
	if member == nil || member.Seen == 0 || member.Seen+member.Gap != object.Objects {
		return false
	}
	return member.Seen >= settledAlways || gone && member.Seen >= goneObjects && member.Gap+absent >= goneObjects
}

func (at *Place) types() []string {
	var all []string
	for _, t := range []struct {
		name string
		n    int64
	}{{"array", at.Lists}, {"boolean", at.Booleans}, {"null", at.Null}, {"number", at.Numbers}, {"object", at.Objects}, {"string", at.Texts}} {
		if t.n > 0 {
			all = append(all, t.name)
		}
	}
	return all
}

func (at *Place) of(typ string) int64 {
	return map[string]int64{
		"array": at.Lists, "boolean": at.Booleans, "null": at.Null, "number": at.Numbers, "object": at.Objects, "string": at.Texts,
	}[typ]
}

func (c *comparison) types(pointer string, before, now *Place, expected mapping.Expected) {
	allowed := before.types()
	settled := before.Seen >= settledObjects
	if expected.Described {
		allowed, settled = expected.Types, true
		if len(allowed) == 0 {
			return
		}
		if expected.Nullable {
			allowed = append(slices.Clone(allowed), "null")
		}
	}
	if !settled {
		return
	}
	s := seen{kind: NewType, pointer: pointer, of: now.Seen, detail: Detail{Before: allowed, Schema: expected.Described}}
	for _, typ := range now.types() {
		if slices.Contains(allowed, typ) || typ == "number" && slices.Contains(allowed, "integer") ||
			typ == "null" && !expected.Described && before.Seen < settledTexts ||
			!expected.Described && slices.Equal(allowed, []string{"null"}) { // the first value where there was none yet
			continue
		}
		s.detail.Types = append(s.detail.Types, typ)
		s.count += now.of(typ)
	}
	if s.count > 0 {
		c.add(s)
	}
}

func (c *comparison) length(pointer string, before, now *Place, expected mapping.Expected) {
	limit := expected.MaxLength
	if limit == 0 && before.Texts >= settledTexts {
		limit = before.Length*2 + longerAtLeast
	}
	if limit == 0 || now.Length <= limit {
		return
	}
	if expected.MaxLength == 0 {
		limit = before.Length
	}
	c.add(seen{kind: LongerText, pointer: pointer, count: 1, of: now.Texts, detail: Detail{Limit: limit, Most: now.Length, Schema: expected.MaxLength > 0}})
}

func (c *comparison) code(pointer string, before, now *Place, expected mapping.Expected) {
	s := seen{kind: NewCode, pointer: pointer, of: now.Texts, detail: Detail{Schema: expected.Texts != nil}}
	known := before.Codes
	switch {
	case expected.Texts != nil:
		known = make([]uint64, len(expected.Texts))
		for i, text := range expected.Texts {
			known[i] = hashOf(text)
		}
		if now.Free && len(known) <= mostTexts {
			s.count = 1
		}
	case before.Free || before.Texts < settledTexts || len(before.Codes) > mostCodes:
		return
	case now.Free:
		s.count = 1
	}
	for _, hash := range now.Codes {
		if !slices.Contains(known, hash) {
			s.codes = append(s.codes, hash)
			s.count++
		}
	}
	if s.count > 0 {
		c.add(s)
	}
}

func (c *comparison) decimals(pointer string, before, now *Place, expected mapping.Expected) {
	numbers := before.Numbers
	if !before.Worded {
		numbers += before.Texts
	}
	whole := len(expected.Types) > 0 && slices.Contains(expected.Types, "integer") && !slices.Contains(expected.Types, "number") && now.Numbers > 0
	switch {
	case now.Worded && now.Numbers == 0, before.Worded && before.Numbers == 0:
	case whole && now.Decimals > 0:
		c.add(seen{kind: MoreDecimals, pointer: pointer, count: 1, of: now.Numbers, detail: Detail{Most: now.Decimals, Schema: true}})
	case numbers >= settledNumbers && now.Decimals > before.Decimals:
		c.add(seen{kind: MoreDecimals, pointer: pointer, count: 1, of: now.Numbers + now.Texts, detail: Detail{Limit: before.Decimals, Most: now.Decimals}})
	}
}

// at finds a place by its pointer, and the object or list that it is in; nil where nothing came.
func (p *Profile) at(pointer string) (parent, at *Place) {
	at = p.Root
	for _, token := range schema.PointerTokens(pointer) {
		if at == nil {
			return nil, nil
		}
		parent = at
		if token == "*" {
			at = parent.Each
		} else {
			at = parent.Members[token]
		}
	}
	return parent, at
}

// again says how often what a finding tells of came again, at least, of how many times that it could have.
func (f *opened) again(now *Profile) (count, of int64) {
	parent, at := now.at(f.Pointer)
	if parent == nil {
		return 0, 0
	}
	switch {
	case f.Kind == MissingField && at == nil:
		return parent.Objects, parent.Objects
	case f.Kind == MissingField:
		return parent.Objects - at.Seen, parent.Objects
	case at == nil && f.Kind == NewField:
		return 0, parent.Objects
	case at == nil:
		return 0, 0
	}
	once := func(is bool) int64 {
		if is {
			return 1
		}
		return 0
	}
	switch f.Kind {
	case NewField:
		return at.Seen, max(parent.Objects, at.Seen)
	case NewType:
		for _, typ := range f.Detail.Types {
			count += at.of(typ)
		}
		return count, at.Seen
	case NewCode:
		return once(at.Free || slices.ContainsFunc(f.codes, func(hash uint64) bool { return slices.Contains(at.Codes, hash) })), at.Texts
	case LongerText:
		return once(at.Length > f.Detail.Limit), at.Texts
	case MoreDecimals:
		return once(at.Decimals > f.Detail.Limit), at.Numbers + at.Texts
	case MissingField:
	}
	return 0, 0
}
