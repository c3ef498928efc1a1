package transfer

import (
	"slices"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"crmhub/core/crm"
)

// likely is how alike a column's name and a field's must be for the one to be taken for the other.
const likely = 0.75

// senseColumns gives columns the fields they seem to be, by path, name, and the names in English and Chinese. Each field
// goes to the column that is most like it, the most alike first. Of columns of one name the first is meant: what another one
// is, a person has to say.
func senseColumns(k crm.Kind, columns []Column) {
	targets := targetsOf(k)
	taken, again := make(map[string]bool), make([]bool, len(columns))
	for i, c := range columns {
		again[i] = slices.ContainsFunc(columns[:i], func(before Column) bool { return plain(before.Name) == plain(c.Name) })
	}
	for {
		best, column, path := likely, -1, ""
		for i, c := range columns {
			if c.Field != "" || again[i] {
				continue
			}
			for _, t := range targets {
				if taken[t.path] {
					continue
				}
				// A tie goes to the earlier field: they come in order of weight.
				if likeness := t.likeness(k, c.Name); likeness > best || column < 0 && likeness == best {
					best, column, path = likeness, i, t.path
				}
			}
		}
		if column < 0 {
			return
		}
		c := &columns[column]
		c.Field = bySamples(targets, path, c.Samples)
		taken[path], taken[c.Field] = true, true
	}
}

// bySamples takes a reference for one by the first natural key, where the samples are no ids.
func bySamples(targets []target, path string, samples []string) string {
	t, _ := findTarget(targets, path)
	if t.kind == "" || t.by != "id" {
		return path
	}
	for _, s := range samples {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		if _, err := uuid.Parse(s); err == nil {
			return path
		}
		if keys := crm.Keys(t.kind); len(keys) > 0 {
			return path + "/" + keys[0]
		}
	}
	return path
}

// likeness is 1 for a name that is the target's, less for one that is like it.
func (t target) likeness(k crm.Kind, name string) float64 {
	name = plain(name)
	if name == "" {
		return 0
	}
	best := 0.0
	for i, label := range t.labels(k) {
		l := likeness(name, plain(label))
		if i > 1 {
			l *= 0.99 // a synonym: the usual name wins
		}
		best = max(best, l)
	}
	if t.list != "" || len(t.steps) > 1 {
		best *= 0.98 // a field further down: the entity's own wins
	}
	return best
}

// labels are what a target is called, the surest first.
func (t target) labels(k crm.Kind) []string {
	labels := []string{t.path, string(k) + " " + t.path, t.field.English}
	if t.kind != "" && t.by != "id" {
		ref := t.steps[len(t.steps)-1]
		english := strings.TrimSuffix(ref, "_id")
		labels = []string{t.path, english + " " + t.by, english + " " + t.field.English}
		for _, f := range t.field.Chinese {
			for _, of := range chineseKinds[t.kind] {
				if strings.HasPrefix(f, of) {
					labels = append(labels, f)
				} else {
					labels = append(labels, of+f)
				}
			}
		}
		return labels
	}
	return append(labels, t.field.Chinese...)
}

// chineseKinds are what the kinds that others refer to are called.
var chineseKinds = map[crm.Kind][]string{ //nolint:gochecknoglobals // a table
	crm.KindCustomer: {"客户"}, crm.KindContact: {"联系人"}, crm.KindProduct: {"产品", "商品"}, crm.KindOrder: {"订单"}, crm.KindInvoice: {"发票"},
}

// plain leaves letters and digits of a name, in small letters.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// likeness compares names by the pairs of letters that they share (Dice's coefficient).
func likeness(a, b string) float64 {
	if a == b {
		return 1
	}
	x, y := pairs(a), pairs(b)
	if len(x) == 0 || len(y) == 0 {
		return 0
	}
	shared := 0
	for p, n := range x {
		shared += min(n, y[p])
	}
	return 2 * float64(shared) / float64(count(x)+count(y))
}

func pairs(s string) map[[2]rune]int {
	m := make(map[[2]rune]int)
	var last rune
	for i, r := range s {
		if i > 0 {
			m[[2]rune{last, r}]++
		}
		last = r
	}
	return m
}

func count(m map[[2]rune]int) (n int) {
	for _, k := range m {
		n += k
	}
	return n
}
