package console

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/duplicate"
)

// formPage is the data of a page that asks for a record.
type formPage struct {
	View    view
	Title   string
	Action  string // where it is sent
	Back    string // where giving up leads
	Version int64  // that was seen; 0 for a new one
	Groups  []inputGroup
	Zone    string   // in which its times are
	Faults  []string // what is wrong and stands beside no field
	Wrong   bool     // something is
	Marked  []input  // the inputs beside which it stands, each with a label that says where it is
	StaleBy string   // who saved it meanwhile
	StaleAt time.Time
	Matches []likeness // what may be the same
	Hidden  []option

	New bool
}

type inputGroup struct {
	Key    string // of its words
	Times  bool   // it asks for times
	Folded bool   // nothing stands in it, and nothing need
	Inputs []input
	Lists  []inputList
}

// input asks for a value. Which control it is, its Form says.
type input struct {
	Name     string // in the form: lines.0.qty
	ID       string // of the element
	Label    string
	Form     string // text, long, email, tel, url, number, integer, date, instant, check, select, refer, tags
	Value    string
	Required bool
	Given    bool // by the hub where it is left empty
	Max      int
	Hint     string
	Auto     string // what browsers may fill in; "" for nothing
	Options  []option
	Checked  bool
	Fault    string
	First    bool   // what is written first
	Stored   string // what is stored now, where that differs from what was entered and somebody else has saved
	Differs  bool

	// of a reference
	Kind    crm.Kind
	Text    string // what it is called
	Choices []option
}

// inputList asks for the items of a list.
type inputList struct {
	Name    string
	Label   string
	Columns []input // as heads
	Rows    []inputRow
	Fault   string
	Differs bool
	Sums    []total // what its rows come to, of lines that cost something
}

// total is an amount with what it is.
type total struct{ Label, Amount string }

type inputRow struct {
	Number  int // from 1 on, for people
	Index   int
	Inputs  []input
	Carried []option // what the row holds and no form asks for
}

// likeness is a record that may be the one that is entered.
type likeness struct {
	Title, Link, Owner string
	Same               bool
	Reasons            []string
}

// form is a form while it is made, from what was stored or entered.
type form struct {
	*visit
	view   view
	fields []field // that it asks for
	doc    map[string]any
	chosen map[string]chosen // what was entered for references, by name of the input
	names  *names
	people []access.Person
	stored map[string]any // what somebody else has saved meanwhile; nil if nobody has
	faults map[string]string
	lines  []*crm.Pipeline
	gave   map[string]string // what a customer chosen within the form said, by field
	day    crm.Date          // where the organization is

	conditions []field // that a segment may ask for
}

// longestList is how many items of a list a form asks for. A longer one is changed by imports.
const longestList = 100

// entered are the fields of a kind that the visitor may enter, of those a form asks for.
func (v *visit) entered(ctx context.Context, tx pgx.Tx, k crm.Kind) ([]field, error) {
	all, err := v.fields(ctx, tx, k)
	if err != nil {
		return nil, err
	}
	every := map[string]any{}
	for _, f := range all {
		every[f.Name] = ""
		if len(f.fields) > 0 {
			item := map[string]any{}
			for _, inner := range f.fields {
				item[inner.Name] = ""
			}
			every[f.Name] = item
			if f.Type == "list" {
				every[f.Name] = []any{item}
			}
		}
	}
	writable := v.console.editor.Schema(k).Writable(every)
	var fields []field
	for _, f := range all {
		_, ok := writable[f.Name]
		top := f.Name
		if f.custom() {
			top = "ext"
		}
		if f.Head || !ok && !f.custom() || follows(k, f.Name) || f.Type == "document" || v.who.Field(access.Resource(k), top) != access.FieldEdit {
			continue
		}
		if items, ok := writable[f.Name].([]any); ok {
			item, _ := items[0].(map[string]any)
			f.fields = slices.DeleteFunc(slices.Clone(f.fields), func(inner field) bool { _, ok := item[inner.Name]; return !ok })
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// follows reports whether a field follows from others or is moved by a button, so that no form asks for it.
func follows(k crm.Kind, name string) bool {
	switch name {
	case "status":
		return crm.Transitions(k) != nil
	case "stage", "delivery_status", "billing_status", "payment_status", "held_status", "stage_entered_at", "closed_at", "responded_at",
		"first_responded_at", "resolved_at", "done_at", "last_contact_at", "lost_reason", "lost_notes":
		return true
	}
	return false
}

// carried reports whether a field of a line stays with it, though no form asks for it: other systems write it.
func (f field) carried() bool { return f.Name == "qty_delivered" || f.Name == "qty_billed" }

// page makes the page of the form.
func (f *form) page(p *formPage) {
	p.View, p.Zone = f.view, f.zone().String()
	groups := map[string]*inputGroup{}
	group := func(key string) *inputGroup {
		if groups[key] == nil {
			groups[key] = &inputGroup{Key: "group." + key}
		}
		return groups[key]
	}
	var lists []inputList
	for _, fd := range f.fields {
		switch fd.Type {
		case "list":
			items, _ := fd.valueIn(f.doc).([]any)
			if len(items) <= longestList {
				lists = append(lists, f.list(fd, items))
			}
		case "object":
			inner, _ := fd.valueIn(f.doc).(map[string]any)
			g := group("object." + fd.Name)
			for _, part := range fd.fields {
				g.Inputs = append(g.Inputs, f.input(part, fd.Name+"."+part.Name, part.valueIn(inner)))
			}
		default:
			g := group(fd.group())
			in := f.input(fd, fd.Name, fd.valueIn(f.doc))
			if f.stored != nil {
				f.compare(fd, &in)
			}
			g.Inputs, g.Times = append(g.Inputs, in), g.Times || in.Form == "instant"
		}
	}
	if f.view.kind == crm.KindOrder { // one card, so that the lines are in sight
		main := group("main")
		for _, key := range []string{"money", "time"} {
			if g := groups[key]; g != nil {
				main.Inputs, main.Times = slices.Concat(g.Inputs, main.Inputs), main.Times || g.Times
				delete(groups, key)
			}
		}
	}
	order := []string{"main", "people", "money", "reach", "time"}
	if g := groups["main"]; g != nil && (f.view.kind == crm.KindOrder || !slices.ContainsFunc(g.Inputs, func(in input) bool { return in.Required })) {
		order = []string{"people", "main", "money", "reach", "time"} // what it belongs to says what it is
	}
	for _, key := range order {
		if g := groups[key]; g != nil {
			g.Inputs = givenLast(g.Inputs)
			p.Groups = append(p.Groups, *g)
		}
	}
	for _, l := range lists {
		p.Groups = append(p.Groups, inputGroup{Key: "field." + l.Name, Lists: []inputList{l}})
	}
	for _, fd := range f.fields {
		if g := groups["object."+fd.Name]; g != nil {
			folded := !slices.ContainsFunc(g.Inputs, func(in input) bool { return in.Value != "" || in.Fault != "" })
			p.Groups = append(p.Groups, inputGroup{Key: "field." + fd.Name, Inputs: g.Inputs, Folded: folded})
		}
	}
	for _, key := range []string{"text", "custom"} {
		if g := groups[key]; g != nil {
			p.Groups = append(p.Groups, *g)
		}
	}
	p.Faults = slices.Sorted(maps.Values(f.faults)) // what no input took
	p.Marked = marked(p.Groups)
}

// start sets where writing begins: at what is asked for and not yet there.
func (p *formPage) start() {
	for _, g := range p.Groups {
		for i, in := range g.Inputs {
			if in.Required && in.Value == "" && in.Form != "select" {
				g.Inputs[i].First = true
				return
			}
		}
	}
}

// givenLast puts what may be left to the hub behind what a person has to say.
func givenLast(inputs []input) []input {
	rank := func(in input) int {
		if in.Given {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(inputs, func(a, b input) int { return rank(a) - rank(b) })
	return inputs
}

// compare says beside an input what is stored now, where somebody else has saved meanwhile.
func (f *form) compare(fd field, in *input) {
	now := fd.valueIn(f.stored)
	if same(fd, now, fd.valueIn(f.doc)) {
		return
	}
	in.Differs = true
	shown := f.cell(fd, now, f.stored, f.names)
	if shown.Time != "" {
		at, _ := now.(string)
		shown.Text = strings.Replace(f.instantInput(at), "T", " ", 1)
	}
	in.Stored = shown.Text
	if len(shown.Texts) > 0 {
		in.Stored = strings.Join(shown.Texts, ", ")
	}
}

// take returns what is wrong with an input; it is said there and not again above the form.
func (f *form) take(name string) string {
	said := f.faults[name]
	delete(f.faults, name)
	return said
}

func (f *form) list(fd field, items []any) inputList {
	l := inputList{Name: fd.Name, Label: fd.label, Fault: f.take(fd.Name)}
	for _, inner := range fd.fields {
		if !inner.carried() {
			l.Columns = append(l.Columns, input{Name: inner.Name, Label: inner.label, Form: f.control(inner), Required: inner.Required})
		}
	}
	for i, item := range items {
		m, _ := item.(map[string]any)
		row := inputRow{Number: i + 1, Index: i}
		for _, inner := range fd.fields {
			name := fd.Name + "." + strconv.Itoa(i) + "." + inner.Name
			value := inner.valueIn(m)
			if inner.carried() {
				if s, ok := value.(string); ok {
					row.Carried = append(row.Carried, option{Value: s, Label: name})
				}
				continue
			}
			row.Inputs = append(row.Inputs, f.input(inner, name, value))
		}
		if whole := f.take(fd.Name + "." + strconv.Itoa(i)); whole != "" {
			l.Fault = whole
		}
		l.Rows = append(l.Rows, row)
	}
	if f.stored != nil && !same(fd, fd.valueIn(f.stored), any(items)) {
		l.Differs = true
	}
	if fd.Name == "lines" && f.view.kind == crm.KindOrder {
		l.Sums = f.totals(items)
	}
	return l
}

// matches makes the matches of a duplicate ready to be shown.
func (v *visit) matches(k crm.Kind, found []duplicate.Match) []likeness {
	all := make([]likeness, len(found))
	for i, m := range found {
		all[i] = likeness{Title: m.Title, Owner: m.Owner, Same: m.Class == "same"}
		if m.ID != nil {
			all[i].Link = pathOf(k) + "/" + m.ID.String()
		}
		for _, reason := range m.Reasons {
			all[i].Reasons = append(all[i].Reasons, v.say("reason."+reason.Kind))
		}
	}
	return all
}
