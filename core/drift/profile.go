package drift

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"crmhub/core/connector"
)

const (
	mostPlaces = 1000 // of a profile; what comes beyond is not followed
	mostDepth  = 12
	mostTexts  = 16 // different texts of a place that may be a code
	longestOne = 32 // bytes of a text that may be a code
	mostNames  = 64 // of an object, from where on they may be data
)

// Profile is how the records of a stream look: a tree of places. What grows has a limit, and no value is kept; of texts that may
// be codes it knows hashes.
type Profile struct {
	Records int64  `json:"records"`
	Root    *Place `json:"root"`
	Places  int    `json:"places"`
	Cut     bool   `json:"cut,omitempty"` // there are more places than are followed
}

// newProfile is that of no records.
func newProfile() *Profile { return &Profile{Root: &Place{}, Places: 1} }

// Place is what came at one place of the records.
type Place struct {
	Seen     int64 `json:"seen"` // values, null among them
	Null     int64 `json:"null,omitempty"`
	Texts    int64 `json:"texts,omitempty"`
	Numbers  int64 `json:"numbers,omitempty"`
	Booleans int64 `json:"booleans,omitempty"`
	Objects  int64 `json:"objects,omitempty"`
	Lists    int64 `json:"lists,omitempty"`

	Length   int  `json:"length,omitempty"`   // of the longest text, in characters
	Decimals int  `json:"decimals,omitempty"` // most digits behind the point, of numbers and of texts that are decimals
	Worded   bool `json:"worded,omitempty"`   // not all texts are decimals

	Codes []uint64 `json:"codes,omitempty"` // hashes of the texts, sorted
	Free  bool     `json:"free,omitempty"`  // there are too many different ones: it is no code

	Gap     int64             `json:"gap,omitempty"` // objects in a row without it, the last ones
	Members map[string]*Place `json:"members,omitempty"`
	Names   bool              `json:"names,omitempty"` // the members' names are data: they are all Each
	Each    *Place            `json:"each,omitempty"`  // elements of lists, and members whose names are data
}

// Add folds records in. Those that are gone or cannot be read have no shape.
func (p *Profile) Add(records []connector.Record) {
	for i := range records {
		if records[i].Deleted || records[i].Err != nil || records[i].Data == nil {
			continue
		}
		p.Records++
		p.add(p.Root, records[i].Data, 0)
	}
}

func (p *Profile) add(at *Place, v any, depth int) {
	at.Seen++
	switch v := v.(type) {
	case nil:
		at.Null++
	case string:
		at.Texts++
		at.text(v)
	case json.Number:
		at.Numbers++
		if n, ok := decimalsOf(string(v)); ok { // one with an exponent tells nothing
			at.Decimals = max(at.Decimals, n)
		}
	case bool:
		at.Booleans++
	case map[string]any:
		at.Objects++
		if depth == mostDepth {
			return
		}
		for name, member := range v {
			if to := p.member(at, name); to != nil {
				p.add(to, member, depth+1)
			}
		}
	case []any:
		at.Lists++
		if depth == mostDepth {
			return
		}
		for _, element := range v {
			if to := p.each(at); to != nil {
				p.add(to, element, depth+1)
			}
		}
	default:
		at.Numbers++
	}
}

// member is the place of a property; nil if there are too many already.
func (p *Profile) member(at *Place, name string) *Place {
	if found := at.Members[name]; found != nil {
		return found
	}
	if at.Names || isData(name) {
		return p.each(at)
	}
	if len(at.Members) >= mostNames && at.sparse() {
		p.collapse(at)
		return p.each(at)
	}
	if !p.room() {
		return nil
	}
	if at.Members == nil {
		at.Members = map[string]*Place{}
	}
	at.Members[name] = &Place{}
	return at.Members[name]
}

func (p *Profile) each(at *Place) *Place {
	if at.Each == nil && p.room() {
		at.Each = &Place{}
	}
	return at.Each
}

func (p *Profile) room() bool {
	if p.Places >= mostPlaces {
		p.Cut = true
		return false
	}
	p.Places++
	return true
}

// sparse reports whether most objects have few of the names that there are: then these are data, such as ids. The columns of a
// wide table all come with each record.
func (at *Place) sparse() bool {
	var seen int64
	for _, m := range at.Members {
		seen += m.Seen
	}
	return seen*4 < at.Objects*int64(len(at.Members))
}

// collapse makes of all members one place.
func (p *Profile) collapse(at *Place) {
	at.Names = true
	members := at.Members
	at.Members = nil
	for _, m := range members {
		p.Places -= m.count()
		if to := p.each(at); to != nil {
			p.merge(to, m)
		}
	}
}

func (at *Place) count() int {
	n := 1
	for _, m := range at.Members {
		n += m.count()
	}
	if at.Each != nil {
		n += at.Each.count()
	}
	return n
}

// isData reports whether a property's name looks like a value: an address of a mail, a number, an id.
func isData(name string) bool {
	digits := 0
	for _, c := range name {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	return name == "" || name == "*" || len(name) > 100 || strings.Contains(name[1:], "@") || digits >= 6 || digits == len(name)
}

func (at *Place) text(s string) {
	if len(s) > at.Length {
		at.Length = max(at.Length, utf8.RuneCountInString(s))
	}
	if !at.Worded {
		if n, ok := decimalsOf(s); ok {
			at.Decimals = max(at.Decimals, n)
		} else {
			at.Worded = true
		}
	}
	if at.Free {
		return
	}
	if len(s) > longestOne || s != "" && s[0] >= '0' && s[0] <= '9' { // or a date, a number, an id
		at.Codes, at.Free = nil, true
		return
	}
	at.code(hashOf(s))
}

func (at *Place) code(hash uint64) {
	i, known := slices.BinarySearch(at.Codes, hash)
	switch {
	case at.Free || known:
	case len(at.Codes) == mostTexts:
		at.Codes, at.Free = nil, true
	default:
		at.Codes = slices.Insert(at.Codes, i, hash)
	}
}

// hashOf is FNV-1a, written out since the library's would allocate for each text.
func hashOf(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// decimalsOf are the digits behind a decimal's point, without zeros at the end; ok is false if the text is no decimal.
func decimalsOf(s string) (n int, ok bool) {
	whole, fraction, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if whole == "" || point && fraction == "" {
		return 0, false
	}
	for _, part := range [...]string{whole, fraction} {
		for i := range len(part) {
			if part[i] < '0' || part[i] > '9' {
				return 0, false
			}
		}
	}
	for n = len(fraction); n > 0 && fraction[n-1] == '0'; n-- {
	}
	return n, true
}

// Merge folds another profile of the same stream in, that of later records. Afterwards it must not be used.
func (p *Profile) Merge(later *Profile) {
	p.Records += later.Records
	p.Cut = p.Cut || later.Cut
	p.align(p.Root, later.Root)
	p.merge(p.Root, later.Root)
}

func (p *Profile) merge(to, from *Place) {
	to.Seen += from.Seen
	to.Null += from.Null
	to.Texts += from.Texts
	to.Numbers += from.Numbers
	to.Booleans += from.Booleans
	to.Lists += from.Lists
	to.Length = max(to.Length, from.Length)
	to.Decimals = max(to.Decimals, from.Decimals)
	to.Worded = to.Worded || from.Worded
	if from.Free {
		to.Codes, to.Free = nil, true
	}
	for _, hash := range from.Codes {
		to.code(hash)
	}
	for name, m := range to.Members {
		switch later := from.Members[name]; {
		case later == nil:
			m.Gap += from.Objects
		case later.Seen > 0:
			m.Gap = 0
		}
	}
	to.Objects += from.Objects
	for _, name := range slices.Sorted(maps.Keys(from.Members)) {
		if m := p.member(to, name); m != nil {
			p.merge(m, from.Members[name])
		}
	}
	if from.Each != nil {
		if each := p.each(to); each != nil {
			p.merge(each, from.Each)
		}
	}
}

// align makes data of the names on both sides if they are on one, at all places.
func (p *Profile) align(a, b *Place) {
	if a.Names && !b.Names {
		(&Profile{}).collapse(b)
	}
	if b.Names && !a.Names {
		p.collapse(a)
	}
	for name, m := range a.Members {
		if other := b.Members[name]; other != nil {
			p.align(m, other)
		}
	}
	if a.Each != nil && b.Each != nil {
		p.align(a.Each, b.Each)
	}
}
