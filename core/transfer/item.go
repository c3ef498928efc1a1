package transfer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"crmhub/core/crm"
	"crmhub/core/schema"
	"crmhub/core/sheet"
)

// item is what becomes one entity: a row, or the rows of a group.
type item struct {
	rows   []sheet.Row
	doc    map[string]any
	refs   []reference
	faults schema.Violations // what is wrong with the cells
	entity crm.Entity        // as a new one; nil until its references are known
	broken schema.Violations // why it cannot be a new one
	stored crm.Entity        // what it updates
	result string
}

// reference is an entity that a row names by a natural key.
type reference struct {
	target
	index int // of the row
	value string
	doc   map[string]any // that the id belongs in
}

func (r reference) pointer() string { return pointer(r.target, r.index) }

func pointer(t target, index int) string {
	if t.list != "" {
		return "/" + t.list + "/" + strconv.Itoa(index) + "/" + strings.Join(t.steps, "/")
	}
	return "/" + strings.Join(t.steps, "/")
}

func (it *item) row() int64 { return it.rows[0].Number }

func (it *item) fault(at, rule, message string) {
	it.faults = append(it.faults, schema.Violation{Pointer: at, Rule: rule, Message: message})
}

// builder makes items of rows, as an import says.
type builder struct {
	kind     crm.Kind
	columns  []cellTarget
	defaults []cellTarget
	mark     string // of decimals
	width    int    // columns of a CSV file, 0 of one that has cells where they belong
}

type cellTarget struct {
	target
	column int
	text   string // of a default
}

func newBuilder(i *Import) *builder {
	b := &builder{kind: i.Entity, mark: i.Form.Decimal}
	if i.Form.Format == sheet.CSV {
		b.width = len(i.Columns)
	}
	targets := targetsOf(i.Entity)
	given := make(map[string]int)
	for n, c := range i.Columns {
		if t, ok := findTarget(targets, c.Field); ok {
			given[c.Field] = n
			b.columns = append(b.columns, cellTarget{target: t, column: n, text: i.Defaults[c.Field]})
		}
	}
	for field, text := range i.Defaults {
		if _, ok := given[field]; ok {
			continue
		}
		if t, ok := findTarget(targets, field); ok {
			b.defaults = append(b.defaults, cellTarget{target: t, column: -1, text: text})
		}
	}
	return b
}

// build makes an item of rows. Fields of the entity come from the first row that has them; another row must not differ.
func (b *builder) build(rows []sheet.Row) *item {
	it := &item{rows: rows, doc: make(map[string]any, len(b.columns)+len(b.defaults))}
	lists := make(map[string][]any)
	for index, row := range rows {
		if b.width > 0 && len(row.Cells) > b.width && strings.TrimSpace(strings.Join(row.Cells[b.width:], "")) != "" {
			it.fault("", "width", fmt.Sprintf("has %d cells, more than the %d columns: a delimiter within a cell needs quotation marks around it", len(row.Cells), b.width))
		}
		lines := make(map[string]map[string]any)
		for _, set := range [][]cellTarget{b.columns, b.defaults} {
			for _, c := range set {
				cell, kept := c.text, false
				if c.column >= 0 && c.column < len(row.Cells) {
					if given := strings.TrimFunc(row.Cells[c.column], blank); given != "" {
						cell, kept = given, row.IsNumber(c.column)
					}
				}
				if cell != "" {
					b.set(it, c.target, index, cell, kept, lines)
				}
			}
		}
		for list, line := range lines {
			lists[list] = append(lists[list], line)
		}
	}
	for list, items := range lists {
		it.doc[list] = items
	}
	return it
}

// blank reports whether a sign at the ends of a cell says nothing: a space, or the mark that files begin with, which stands
// in the middle of one that was put together of several.
func blank(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' || r == '\u200b' }

// set puts a cell where its target says.
func (b *builder) set(it *item, t target, index int, cell string, kept bool, lines map[string]map[string]any) {
	at := pointer(t, index)
	if !utf8.ValidString(cell) || strings.ContainsRune(cell, 0) {
		it.fault(at, "encoding", "has characters that are none: another encoding, or a broken file")
		return
	}
	doc := it.doc
	if t.list != "" {
		if doc = lines[t.list]; doc == nil {
			doc = make(map[string]any)
			lines[t.list] = doc
		}
	}
	if t.kind != "" && t.by != "id" {
		it.refs = append(it.refs, reference{target: t, index: index, value: cell, doc: doc})
		return
	}
	value, wrong := valueOf(t.field, cell, b.mark, kept)
	if wrong != nil {
		it.fault(at, wrong.rule, wrong.message)
		return
	}
	if old, differs := put(doc, t.steps, value); differs && t.list == "" && old != value {
		it.fault(at, "same", "differs between the rows of one "+string(b.kind))
	}
}

// put sets a value in a document, unless there is another one already.
func put(doc map[string]any, steps []string, value any) (old any, there bool) {
	for _, step := range steps[:len(steps)-1] {
		below, ok := doc[step].(map[string]any)
		if !ok {
			below = make(map[string]any)
			doc[step] = below
		}
		doc = below
	}
	last := steps[len(steps)-1]
	if old, there = doc[last]; !there {
		doc[last] = value
	}
	return old, there
}

// make builds the entity that an item is if it is new, in canonical form. References must be known. Whether it keeps
// the rules of its type is for the store to say: nearly all do, and to check twice costs a fifth of an import.
func (b *builder) make(it *item) {
	e, err := crm.FromDocument(b.kind, it.doc)
	if err != nil {
		it.broken = violationsOf(err)
		return
	}
	e.Normalize()
	crm.HeadOf(e).Version = 0
	it.entity = e
}

// key is the value by which an item is looked for.
func (it *item) key(field string) string {
	if field == "id" {
		s, _ := it.doc["id"].(string)
		return s
	}
	if it.entity != nil {
		return crm.Text(it.entity, field)
	}
	s, _ := it.doc[field].(string)
	return s
}

// resolve puts the ids of what an item refers to where they belong.
func (it *item) resolve(found map[lookup]map[string]uuid.UUID) {
	for _, r := range it.refs {
		id, ok := found[lookup{r.kind, r.by}][r.value]
		if !ok {
			it.fault(r.pointer(), "exists", "there is no "+string(r.kind)+", or more than one, with this "+r.by)
			continue
		}
		if old, there := put(r.doc, r.steps, id.String()); there && old != id.String() {
			it.fault(r.pointer(), "same", "differs between the rows of one entity")
		}
	}
}

type lookup struct {
	kind crm.Kind
	by   string
}

func violationsOf(err error) schema.Violations {
	if vs, ok := asViolations(err); ok {
		return vs
	}
	return schema.Violations{{Rule: "refused", Message: err.Error()}}
}
