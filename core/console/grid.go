package console

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// grid is a table of records: on a list's page, and wherever records of a kind belong to something.
type grid struct {
	Kind     crm.Kind
	Path     string // of the kind's list
	Columns  []column
	Rows     []gridRow
	All      string // where all of them are listed, "" where this is all
	New      string // where one is added, "" if the visitor may not
	Linked   bool   // some rows say where they are on other systems
	Journeys bool   // the visitor may see how they went there
	Bulk     bool   // rows may be chosen, for the form called bulk

	list *listPage // the page whose rows are sorted by the headings; nil elsewhere
}

type column struct {
	field
	Badge bool
	Wide  bool // goes first where there is little room
}

type gridRow struct {
	ID    uuid.UUID
	Link  string
	Late  bool // its time has come
	Cells []cell
	Links []linkRow // where it is on other systems, if the grid says so
}

// Label is what heads the column.
func (c column) Label() string { return c.label }

// Class is how the column's cells stand.
func (c column) Class() string {
	var classes []string
	for class, is := range map[string]bool{
		"num": c.numeric(), "wide": c.Wide, "nowrap": c.Type == "instant" || c.Type == "date" || c.Key || len(c.Enum) > 0,
		"words": c.Refers == user || c.Name == "stage" || c.Type == "boolean", // short ones, which Chinese would break between any two letters
		"named": c.Name == "name" || c.Name == "subject",
		"due":   slices.Contains([]string{"due_at", "due_date", "resolve_due", "next_contact_at"}, c.Name), // what [late] looks at
	} {
		if is {
			classes = append(classes, class)
		}
	}
	slices.Sort(classes)
	return strings.Join(classes, " ")
}

// SortURL is the list sorted by the column, "" where it is not to be sorted by it.
func (g grid) SortURL(c column) string {
	if g.list == nil || !c.single() || c.Refers != "" || !crm.SortsQuickly(g.list.View.kind, c.Name) {
		return ""
	}
	return g.list.sortURL(c.Name)
}

// Sorted says which way the list is sorted by the column, as aria-sort does; "" if it is not.
func (g grid) Sorted(c column) string {
	if g.list == nil {
		return ""
	}
	switch g.list.Sort {
	case c.Name:
		return "ascending"
	case "-" + c.Name:
		return "descending"
	}
	return ""
}

// columnsOf are the fields named, of those the visitor sees.
func columnsOf(w view, fields []field, shown []string) []column {
	var columns []column
	state, amount := false, false
	for _, name := range shown {
		i := slices.IndexFunc(fields, func(f field) bool {
			return f.Name == name && f.Type != "list" && f.Type != "document" && f.Type != "object"
		})
		if i < 0 {
			continue
		}
		c := column{field: fields[i], Badge: slices.Contains(w.badges, name)}
		// A phone keeps what tells rows apart: the first field, the first state and the first amount.
		c.Wide = len(columns) > 0 && (!c.Badge || state) && (!c.amount() || amount)
		state, amount = state || c.Badge, amount || c.amount()
		columns = append(columns, c)
	}
	if !state && !amount { // and where there is neither, the second field and the first number
		number := slices.IndexFunc(columns, func(c column) bool { return c.numeric() })
		for i := range columns {
			columns[i].Wide = columns[i].Wide && i != 1 && i != number
		}
	}
	return columns
}

// grid reads the page of a kind's records that a query asks for, as the visitor sees them. It returns where to go on.
func (v *visit) grid(ctx context.Context, tx pgx.Tx, k crm.Kind, q crm.Query, shown []string) (g grid, next string, err error) {
	w := viewOf(k)
	fields, err := v.fields(ctx, tx, k)
	if err != nil {
		return g, "", err
	}
	v.narrow(k, &q)
	page, err := v.console.CRM.List(ctx, tx, k, q)
	if err != nil {
		return g, "", err
	}
	g, err = v.gridOf(ctx, tx, w, fields, page.Items, shown)
	return g, page.Next, err
}

// gridOf shows records that were read already.
func (v *visit) gridOf(ctx context.Context, tx pgx.Tx, w view, fields []field, items []crm.Entity, shown []string) (grid, error) {
	g := grid{Kind: w.kind, Path: w.path(), Columns: columnsOf(w, fields, shown)}
	docs := make([]map[string]any, len(items))
	for i, e := range items {
		doc, err := v.document(e)
		if err != nil {
			return g, err
		}
		docs[i] = doc
	}
	asked := make([]field, 0, len(g.Columns)+1)
	for _, c := range g.Columns {
		asked = append(asked, c.field)
		if c.Name == "stage" {
			asked = append(asked, field{Field: crm.Field{Name: "pipeline_id", Type: "id", Refers: crm.KindPipeline}})
		}
	}
	n, err := v.name(ctx, tx, asked, docs...)
	if err != nil {
		return g, err
	}
	var today time.Time
	if w.kind == crm.KindInvoice { // the only kind that is late by the day
		if today, err = v.today(ctx, tx); err != nil {
			return g, err
		}
	}
	for i, doc := range docs {
		row := gridRow{ID: crm.HeadOf(items[i]).ID, Link: w.path() + "/" + crm.HeadOf(items[i]).ID.String(), Late: late(items[i], crm.DateOf(today))}
		for j, c := range g.Columns {
			shown := v.cell(c.field, c.valueIn(doc), doc, n)
			if c.Badge {
				shown = v.badge(c.field, c.valueIn(doc))
			}
			if j == 0 {
				shown.Link = row.Link
				if shown.Empty() {
					shown.Text = v.titleOf(w, doc, n, fields)
				}
			}
			row.Cells = append(row.Cells, shown)
		}
		g.Rows = append(g.Rows, row)
	}
	return g, nil
}

// document is an entity as the visitor sees it: what is hidden is absent, what is masked shows its end.
func (v *visit) document(e crm.Entity) (map[string]any, error) {
	doc, err := crm.Document(e)
	if err != nil {
		return nil, err
	}
	return v.who.Present(access.Resource(e.Kind()), doc), nil
}

// late reports whether something that is still to be done should have been: by now, or before that day.
func late(e crm.Entity, today crm.Date) bool {
	now := time.Now()
	switch e := e.(type) {
	case *crm.Task:
		return e.DueAt != nil && e.DueAt.Before(now) && e.Status != "completed" && e.Status != "cancelled"
	case *crm.Invoice:
		return e.DueDate != nil && e.DueDate.Before(today) && e.Residual.IsPositive()
	case *crm.Ticket:
		return e.ResolveDue != nil && e.ResolveDue.Before(now) && e.ResolvedAt == nil && e.ClosedAt == nil
	case *crm.Customer:
		return e.NextContactAt != nil && e.NextContactAt.Before(now)
	}
	return false
}

// narrow asks of a list what the visitor may see of the kind.
func (v *visit) narrow(k crm.Kind, q *crm.Query) {
	r := access.Resource(k)
	q.Owners, q.Blind = v.who.Owners(r, access.Read), v.who.Blind(r)
}

// relatedSize is how many rows are shown of what belongs to a record.
const relatedSize = 8

// relatedGrid lists the newest records of a kind that name one record; ok says whether the visitor may know.
func (v *visit) relatedGrid(ctx context.Context, tx pgx.Tx, r relation, id uuid.UUID, more ...crm.Condition) (g grid, ok bool, err error) {
	resource := access.Resource(r.kind)
	if v.who.May(resource, access.Read) == "" || v.who.Hides(resource, r.field) || v.who.Hides(resource, r.newest) {
		return g, false, nil
	}
	w := viewOf(r.kind)
	q := crm.Query{
		Filter: append([]crm.Condition{{Field: r.field, Op: crm.OpEqual, Value: id.String()}}, more...),
		Sort:   []crm.Sort{{Field: r.newest, Desc: true}}, Limit: relatedSize,
	}
	shown := slices.DeleteFunc(slices.Clone(w.columns), func(name string) bool {
		return name == r.field || name == "customer_id" && r.kind != crm.KindCampaignMember || slices.Contains([]string{"updated_at", "owner_id", "delivery_status"}, name)
	})
	g, next, err := v.grid(ctx, tx, r.kind, q, shown)
	if next != "" {
		g.All = w.path() + "?" + r.field + "=" + id.String()
	}
	if v.who.May(resource, access.Create) != "" && v.who.Field(resource, r.field) == access.FieldEdit {
		g.New = w.path() + "/new?" + r.field + "=" + id.String()
	}
	return g, true, err
}
