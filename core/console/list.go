package console

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/listview"
)

const pageSize = 50

// newestChange is the order that the database keeps an index for; it is what a list begins with.
const newestChange = "-updated_at"

// listPage is the data of a page that lists records. Its address says all that it was asked for: a filter is a field's name,
// with an operator in brackets if it is not equality, as the API writes it.
type listPage struct {
	pager
	View    view
	Grid    grid
	Text    string
	Sort    string // a field, with "-" before it from the highest down
	Filters []filter
	Ranges  []dateRange
	Chips   []chip // filters that no control stands for
	Choices []columnChoice
	Bin     bool   // it shows what was deleted
	BinURL  string // where that is, "" if the visitor may not delete
	Exports bool   // the visitor may make a file of it
	Imports bool   // the visitor may import records of the kind
	Bulk    bulkOffer
	Saved   savedViews
	Done    int       // records that something was done with
	Refused []refused // of what was to be done

	asked url.Values
}

// filter is a control for a field.
type filter struct {
	Name, Label, Now string
	Options          []option
}

// option is one of the values that a control offers.
type option struct {
	Value, Label string
	Chosen       bool
}

// dateRange are the controls for a day from, and a day to.
type dateRange struct {
	Label          string
	From, To       string // names
	FromNow, ToNow string
}

// chip is a filter that can be taken away.
type chip struct{ Label, Name, Value, Without string }

type columnChoice struct {
	Name, Label string
	Shown       bool
}

// Path is where the list is.
func (l *listPage) Path() string { return l.View.path() }

// Filtered reports whether the list may be empty only because of what was asked for.
func (l *listPage) Filtered() bool { return l.Text != "" || l.conditions() > 0 }

// conditions is how many filters were asked for.
func (l *listPage) conditions() int {
	n := 0
	for name := range l.asked {
		if name != binFilter && !slices.Contains(listParameters, name) || name == "q" {
			n++
		}
	}
	return n
}

// Narrowed reports whether a filter is on that is folded away.
func (l *listPage) Narrowed() bool {
	return slices.ContainsFunc(l.Ranges, func(r dateRange) bool { return r.FromNow != "" || r.ToNow != "" })
}

// Here is what the page of the list was asked for, to come back to it.
func (l *listPage) Here() string { return l.asked.Encode() }

// Kept are the parameters that no control changes: a form of filters carries them on.
func (l *listPage) Kept() []option {
	var kept []option
	for _, name := range []string{viewParameter, columnsParameter} {
		if value := l.asked.Get(name); value != "" {
			kept = append(kept, option{Label: name, Value: value})
		}
	}
	return kept
}

// Query is what the list was asked for, for what is done with all of it.
func (l *listPage) Query() string {
	q := maps.Clone(l.asked)
	q.Del("after")
	return q.Encode()
}

func (l *listPage) sortURL(field string) string {
	if l.Sort == field {
		field = "-" + field
	}
	return l.with("sort", field)
}

// with is the list with another value for a parameter, from its first page on.
func (l *listPage) with(name, value string) string {
	q := maps.Clone(l.asked)
	q.Del("after")
	q.Set(name, value)
	if value == "" || name == "sort" && value == newestChange {
		q.Del(name)
	}
	if len(q) == 0 {
		return l.Cleared()
	}
	return l.Path() + "?" + q.Encode()
}

// Cleared is the list of everything.
func (l *listPage) Cleared() string {
	if l.Saved.Default {
		return l.Path() + "?" + viewParameter + "=" + noView // the bare path leads to the reader's own view
	}
	return l.Path()
}

// binFilter asks for what was deleted.
const binFilter = "deleted_at[null]"

// list shows the records of a kind that the address asks for.
func (c *Console) list(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		l := listPage{View: w, asked: firsts(v.r.URL.Query())}
		return c.writeList(ctx, v, http.StatusOK, &l)
	}
}

// writeList shows a list, and what was done with some of its records.
func (c *Console) writeList(ctx context.Context, v *visit, status int, l *listPage) error {
	l.Text, l.Sort, l.Bin = strings.TrimSpace(l.asked.Get("q")), cmp.Or(l.asked.Get("sort"), newestChange), l.asked.Get(binFilter) == "false"
	var begins string
	err := v.as(ctx, func(tx pgx.Tx) (err error) {
		if begins, err = v.savedViews(ctx, tx, l); err != nil || begins != "" {
			return err
		}
		return v.fillList(ctx, tx, l)
	})
	if err != nil {
		return err
	}
	if begins != "" {
		http.Redirect(v.w, v.r, begins, http.StatusSeeOther)
		return nil
	}
	return v.write(status, "list", l)
}

func (v *visit) fillList(ctx context.Context, tx pgx.Tx, l *listPage) error {
	fields, err := v.fields(ctx, tx, l.View.kind)
	if err != nil {
		return err
	}
	q, err := v.query(l.asked, fields)
	if err != nil {
		return err
	}
	shown := v.shownColumns(l.View, l.asked)
	var next string
	if l.Grid, next, err = v.grid(ctx, tx, l.View.kind, q, shown); err != nil {
		return err
	}
	l.Grid.list = l
	l.pager = pagerOf(func(after string) string { return l.with("after", after) }, q.After, next)
	known, err := v.everybody(ctx, tx)
	if err != nil {
		return err
	}
	l.controls(v, fields, known.persons)
	l.Choices = chooseColumns(fields, shown)
	if v.who.May(l.View.resource(), access.Delete) != "" && !v.who.Hides(l.View.resource(), "deleted_at") {
		l.BinURL = l.Path() + "?" + url.Values{binFilter: {"false"}}.Encode()
	}
	l.Exports = v.who.May(l.View.resource(), access.Export) != "" && len(v.exportColumns(l.View, fields, l.asked)) > 0
	l.Imports = v.who.May(l.View.resource(), access.Import) != ""
	l.Bulk = v.offerBulk(l, fields, known.persons)
	l.Grid.Bulk = l.Bulk.Some()
	if v.who.May(l.View.resource(), access.Create) != "" {
		l.Grid.New = l.Path() + "/new"
	}
	return nil
}

// listParameters are those of a list's address that filter by no field.
var listParameters = []string{"q", "sort", "after", "done", viewParameter, columnsParameter} //nolint:gochecknoglobals // a constant list

// firsts are the first values of an address that are not empty.
func firsts(values url.Values) url.Values {
	asked := url.Values{}
	for name, given := range values {
		if given[0] != "" && name != "done" {
			asked.Set(name, given[0])
		}
	}
	return asked
}

// query is what a list's address asks for.
func (v *visit) query(asked url.Values, fields []field) (q crm.Query, err error) {
	field, desc := strings.CutPrefix(cmp.Or(asked.Get("sort"), newestChange), "-")
	q = crm.Query{
		Text: strings.TrimSpace(asked.Get("q")), Sort: []crm.Sort{{Field: field, Desc: desc}}, After: asked.Get("after"), Limit: pageSize,
	}
	q.Filter, err = v.conditions(asked, fields)
	return q, err
}

// conditions reads what the address filters by, as a saved view does.
func (v *visit) conditions(asked url.Values, fields []field) ([]crm.Condition, error) {
	known := make([]crm.Field, len(fields))
	for i, f := range fields {
		known[i] = f.Field
	}
	return listview.Conditions(filterIn(asked), known, v.who.UserID, v.zone())
}

// filterIn are the filters of a list's address.
func filterIn(asked url.Values) map[string]string {
	filter := map[string]string{}
	for name := range asked {
		if !slices.Contains(listParameters, name) {
			filter[name] = asked.Get(name)
		}
	}
	return filter
}

// controls makes the list's controls of its view, and chips of what else was asked for.
func (l *listPage) controls(v *visit, fields []field, people []access.Person) {
	stands := map[string]bool{binFilter: true}
	for _, name := range listParameters {
		stands[name] = true
	}
	for _, f := range fields {
		if v.who.Hides(l.View.resource(), f.Name) {
			continue
		}
		if slices.Contains(l.View.filters, f.Name) || f.custom() && len(f.Enum) > 0 {
			now := l.asked.Get(f.Name)
			stands[f.Name] = true
			l.Filters = append(l.Filters, filter{f.Name, f.label, now, v.filterOptions(f, now, people)})
		}
		if f.Type == "date" || f.Type == "instant" && slices.Contains(l.View.columns, f.Name) {
			r := dateRange{Label: f.label, From: f.Name + "[ge]", To: f.Name + "[le]"}
			r.FromNow, r.ToNow = l.asked.Get(r.From), l.asked.Get(r.To)
			stands[r.From], stands[r.To] = true, true
			l.Ranges = append(l.Ranges, r)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.asked)) {
		if stands[name] {
			continue
		}
		c, _ := crm.ParseCondition(name, l.asked.Get(name))
		label := name
		if i := slices.IndexFunc(fields, func(f field) bool { return f.Name == c.Field }); i >= 0 {
			label = fields[i].label
			if op := v.say("choice.op." + string(c.Op)); c.Op != crm.OpEqual {
				label += " " + op
			}
			if fields[i].Refers == "" {
				label += v.say("colon") + l.asked.Get(name)
			}
		}
		l.Chips = append(l.Chips, chip{label, name, l.asked.Get(name), l.with(name, "")})
	}
}

func (v *visit) filterOptions(f field, now string, people []access.Person) []option {
	options := []option{{"", v.say("list.any", f.label), now == ""}}
	switch {
	case f.Refers == user:
		options = append(options, option{"me", f.label + v.say("colon") + v.say("list.mine"), now == "me"}, option{"none", f.label + v.say("colon") + v.say("list.nobody"), now == "none"})
		for _, p := range people {
			if id := p.ID.String(); !p.Disabled || id == now {
				options = append(options, option{id, p.Name, id == now})
			}
		}
	case f.Type == "boolean":
		for _, b := range []string{"true", "false"} {
			word := map[string]string{"true": "yes", "false": "no"}[b]
			options = append(options, option{b, f.label + v.say("colon") + v.say(word), now == b})
		}
	default:
		for _, value := range f.Enum {
			options = append(options, option{value, v.word(f, value), now == value})
		}
	}
	return options
}

// columnsCookie keeps which columns the reader chose for a kind.
func columnsCookie(w view) string { return "crmhub_columns_" + string(w.kind) }

func (v *visit) shownColumns(w view, asked url.Values) []string {
	if named := asked.Get(columnsParameter); named != "" {
		return strings.Split(named, "/")
	}
	if kept, err := v.r.Cookie(columnsCookie(w)); err == nil && kept.Value != "" {
		return strings.Split(kept.Value, "/")
	}
	return w.columns
}

func chooseColumns(fields []field, shown []string) []columnChoice {
	var choices []columnChoice
	for _, f := range fields {
		if f.Type != "list" && f.Type != "document" && f.Type != "object" && f.Name != "id" {
			choices = append(choices, columnChoice{f.Name, f.label, slices.Contains(shown, f.Name)})
		}
	}
	return choices
}

// chooseColumns keeps the columns that the reader chose, in the order that they have by default.
func (c *Console) chooseColumns(w view) func(context.Context, *visit) error {
	return func(_ context.Context, v *visit) error {
		if err := v.r.ParseForm(); err != nil {
			return errAddress
		}
		chosen := v.r.Form["column"]
		ordered := slices.DeleteFunc(slices.Clone(w.columns), func(name string) bool { return !slices.Contains(chosen, name) })
		for _, name := range chosen {
			if !slices.Contains(ordered, name) && validColumn(name) {
				ordered = append(ordered, name)
			}
		}
		back := ownPath(v.r.PostFormValue("to"))
		if to, err := url.Parse(back); err == nil && to.Query().Has(viewParameter) {
			q := to.Query() // a view has columns of its own, which its address says
			q.Set(columnsParameter, strings.Join(ordered, "/"))
			if len(ordered) == 0 || v.r.Form.Has("reset") {
				q.Del(columnsParameter)
			}
			to.RawQuery = q.Encode()
			http.Redirect(v.w, v.r, to.RequestURI(), http.StatusSeeOther)
			return nil
		}
		life := 365 * 24 * time.Hour
		if len(ordered) == 0 || v.r.Form.Has("reset") {
			life = -time.Second
		}
		http.SetCookie(v.w, cookie(v.r, columnsCookie(w), strings.Join(ordered, "/"), life))
		http.Redirect(v.w, v.r, back, http.StatusSeeOther)
		return nil
	}
}

// validColumn reports whether a cookie may carry the name: no field has other letters.
func validColumn(name string) bool {
	return name != "" && len(name) < 80 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_.") == ""
}

// listSearch is a kind's list with a text to search for.
func listSearch(k crm.Kind, text string) string {
	return pathOf(k) + "?" + url.Values{"q": {text}}.Encode()
}
