package console

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/duplicate"
	"crmhub/core/edit"
	"crmhub/core/einvoice"
	"crmhub/core/link"
)

// recordPage is the data of a page about one record.
type recordPage struct {
	View       view
	ID         uuid.UUID
	Version    int64
	Origin     string
	Path       string // of the page
	Title      string
	About      []fact // beneath the title: what it belongs to
	Badges     []cell
	Deleted    bool
	Groups     []factGroup
	Tables     []table
	Sums       []fact // beneath the first table: what a document comes to
	Related    []grid
	Links      []linkRow
	History    []change
	Moves      []option // statuses that may follow, or the stages of its pipeline
	Ends       []option // statuses that may follow and that nothing follows
	Stages     bool     // they are stages
	Files      *filesPart
	PDF        bool     // it can be had as a document
	Merge      string   // where its twin is chosen, "" where that is not offered
	Allocation string   // where a payment is matched with invoices, "" where it is not
	Faults     []string // why what was asked for was refused

	CanEdit, CanDelete, CanRestore, CanMove, CanErase bool

	Entity crm.Entity // as stored: for what is added by kind, never for showing
	fields []field
	doc    map[string]any
	names  *names
}

// fact is a value with what it is.
type fact struct {
	Label string
	Value cell
}

type factGroup struct {
	Key   string
	Facts []fact
}

// table is a list inside a record: the lines of an order.
type table struct {
	Label   string
	Columns []column
	Rows    [][]cell
}

// linkRow is where an entity is known on another system.
type linkRow struct {
	link.Link
	ConnectionName string
}

// Behind reports whether the other system lacks the newest version.
func (r linkRow) Behind() bool { return r.SyncedVersion < r.WantedVersion }

func (c *Console) record(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error { return c.writeRecord(ctx, v, w, nil) }
}

// writeRecord shows a record, and why something about it was refused.
func (c *Console) writeRecord(ctx context.Context, v *visit, w view, refused error) error {
	if _, other := wrongIn(refused); other != nil {
		return other
	}
	id, err := v.id(crm.ErrNotFound)
	if err != nil {
		return err
	}
	p := recordPage{View: w, ID: id, Path: w.path() + "/" + id.String()}
	err = v.as(ctx, func(tx pgx.Tx) error { return v.fillRecord(ctx, tx, &p) })
	if err != nil {
		return err
	}
	p.Faults = v.refusal(refused, p.fields)
	v.here = p.Path
	if w.kind == crm.KindCustomer {
		return v.showCustomer(ctx, &p, refused)
	}
	return v.writeForm("record", &p, refused)
}

func (v *visit) fillRecord(ctx context.Context, tx pgx.Tx, p *recordPage) error {
	w := p.View
	found, err := v.console.CRM.Get(ctx, tx, w.kind, []uuid.UUID{p.ID})
	if err != nil {
		return err
	}
	if p.Entity = found[p.ID]; p.Entity == nil {
		return crm.ErrNotFound
	}
	if p.doc, err = v.document(p.Entity); err != nil {
		return err
	}
	if p.fields, err = v.fields(ctx, tx, w.kind); err != nil {
		return err
	}
	if w.kind == crm.KindSegment {
		if err := v.wordConditions(ctx, tx, p.doc); err != nil {
			return err
		}
	}
	if p.names, err = v.name(ctx, tx, p.fields, p.doc); err != nil {
		return err
	}
	h := crm.HeadOf(p.Entity)
	p.Version, p.Deleted = h.Version, h.DeletedAt != nil
	if p.Origin, err = v.originOf(ctx, tx, h.Origin); err != nil {
		return err
	}
	p.Title = v.titleOf(w, p.doc, p.names, p.fields)
	v.layOut(p)
	v.offer(p)
	if w.kind == crm.KindOpportunity && p.CanMove {
		if p.Moves, err = v.stagesOf(ctx, tx, p.Entity); err != nil {
			return err
		}
		p.Stages = true
	}
	if p.Links, err = v.links(ctx, tx, w.kind, p.ID); err != nil {
		return err
	}
	if p.Files, err = v.files(ctx, tx, p); err != nil {
		return err
	}
	p.PDF = v.printable(w.kind)
	if w.kind == crm.KindPayment && seesFinance(v.who) && !p.Deleted {
		p.Allocation = allocationPath + "/" + p.ID.String()
	}
	for _, r := range w.related {
		g, ok, err := v.relatedGrid(ctx, tx, r, p.ID)
		if err != nil {
			return err
		}
		if ok {
			p.Related = append(p.Related, g)
		}
	}
	p.History, err = v.history(ctx, tx, w.kind, p.ID, p.fields, p.names)
	return err
}

// explained is what a rule of electronic invoices says in the visitor's language, if it is one that is known here.
func (v *visit) explained(rule, stored string) string {
	switch text, ok := einvoice.Explain(rule); {
	case !ok:
		return stored
	case v.lang == "zh-CN":
		return text.Chinese
	default:
		return text.English
	}
}

// layOut puts what the visitor sees of the record where the page shows it.
func (v *visit) layOut(p *recordPage) {
	facts := map[string][]fact{}
	for _, f := range p.fields {
		value := f.valueIn(p.doc)
		switch {
		case slices.Contains([]string{"id", "version", "origin", "deleted_at"}, f.Name), f.Head && f.Refers != "":
		case f.Type == "list":
			if items, _ := value.([]any); len(items) > 0 {
				p.Tables = append(p.Tables, v.table(f, items, p.doc, p.names))
			}
		case slices.Contains(p.View.badges, f.Name):
			if b := v.badge(f, value); !b.Empty() {
				if len(p.Badges) > 0 || b.Tone == "" {
					b.Text = f.label + v.say("colon") + b.Text
				}
				p.Badges = append(p.Badges, b)
			}
		case slices.Contains([]string{"untaxed", "tax", "total", "residual"}, f.Name) && f.amount():
			if value != nil {
				p.Sums = append(p.Sums, fact{f.label, v.cell(f, value, p.doc, p.names)})
			}
		case slices.Contains(p.View.title, f.Name) && value == p.Title:
		default:
			if value == nil || value == false && f.Name != "is_active" || f.Name == "rate_to_base" && value == "1" {
				continue
			}
			if shown := v.cell(f, value, p.doc, p.names); !shown.Empty() {
				if f.Head && shown.Time == "" {
					shown.Text = v.actor(shown.Text, p.names)
				}
				facts[f.group()] = append(facts[f.group()], fact{f.label, shown})
			}
		}
	}
	for _, f := range facts["people"] {
		if len(p.About) < 3 && f.Value.Text != "–" {
			p.About = append(p.About, f)
		}
	}
	for _, f := range facts["reach"] { // who looks somebody up is about to call
		if len(p.About) < 5 {
			p.About = append(p.About, f)
		}
	}
	for _, key := range groups() {
		if len(facts[key]) > 0 {
			p.Groups = append(p.Groups, factGroup{key, facts[key]})
		}
	}
}

// table shows the items of a list, with the columns in which something stands.
func (v *visit) table(f field, items []any, doc map[string]any, n *names) table {
	t := table{Label: f.label}
	described := slices.ContainsFunc(f.fields, func(inner field) bool { return inner.Name == "description" })
	product := slices.IndexFunc(f.fields, func(inner field) bool { return inner.Name == "product_id" })
	for _, inner := range f.fields {
		if described && inner.Name == "product_id" {
			continue // the description leads there
		}
		used := slices.ContainsFunc(items, func(item any) bool {
			m, _ := item.(map[string]any)
			value := m[inner.Name]
			return value != nil && value != "" && value != "0" && value != false
		})
		if used {
			keeps := inner.amount() || len(t.Columns) == 0 || inner.Name == "qty"
			t.Columns = append(t.Columns, column{field: inner, Wide: !keeps})
		}
	}
	if !slices.ContainsFunc(t.Columns, func(c column) bool { return c.amount() }) {
		for i := range t.Columns {
			t.Columns[i].Wide = i > 2 // a phone shows the first ones of a list without amounts
		}
	}
	for _, item := range items {
		m, _ := item.(map[string]any)
		inner := map[string]any{"currency": doc["currency"]}
		maps.Copy(inner, m)
		row := make([]cell, len(t.Columns))
		for i, c := range t.Columns {
			row[i] = v.cell(c.field, c.valueIn(inner), inner, n)
			if rule, _ := inner["rule"].(string); c.Name == "message" && f.Name == "findings" {
				row[i].Text = v.explained(rule, row[i].Text)
			}
			if id, _ := inner["product_id"].(string); c.Name == "description" && product >= 0 {
				name, link := n.of(f.fields[product], id)
				if row[i].Link = link; row[i].Text == "" {
					row[i].Text = name
				}
			}
			if c.amount() { // the document says the currency once
				if s, ok := c.valueIn(inner).(string); ok {
					row[i].Text = v.plainAmount(s, doc)
				}
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// offer says what the visitor may do with the record, so that the page offers nothing that would be refused.
func (v *visit) offer(p *recordPage) {
	r, owner := p.View.resource(), crm.OwnerOf(p.Entity)
	covers := func(actions ...access.Action) bool {
		return slices.ContainsFunc(actions, func(a access.Action) bool { return v.who.Covers(r, a, owner) })
	}
	p.CanErase = v.mayErase(p.View.kind)
	if p.Deleted {
		p.CanRestore = covers(access.Delete)
		return
	}
	p.CanEdit, p.CanDelete = covers(access.Update), covers(access.Delete)
	if covers(access.Merge) && slices.Contains(duplicate.Mergeable(), p.View.kind) {
		p.Merge = twinPath(p.View.kind, p.ID)
	}
	p.CanMove = covers(edit.MoveActions(p.View.kind)...) && !v.who.Hides(r, "status")
	if !p.CanMove {
		return
	}
	i := slices.IndexFunc(p.fields, func(f field) bool { return f.Name == "status" })
	if i < 0 {
		return
	}
	now, _ := p.doc["status"].(string)
	for _, next := range crm.Transitions(p.View.kind)[now] {
		if p.View.kind == crm.KindOrder && next == "confirmed" && !covers(access.Approve) || next != "confirmed" && !covers(access.Update) {
			continue
		}
		way := &p.Moves
		if len(crm.Transitions(p.View.kind)[next]) == 0 {
			way = &p.Ends
		}
		*way = append(*way, option{Value: next, Label: v.word(p.fields[i], next)})
	}
}

// links are where an entity is known on other systems.
func (v *visit) links(ctx context.Context, tx pgx.Tx, k crm.Kind, id uuid.UUID) ([]linkRow, error) {
	links, err := link.OfEntity(ctx, tx, string(k), id)
	if err != nil || len(links) == 0 {
		return nil, err
	}
	names, err := v.console.connectionNames(ctx, tx)
	rows := make([]linkRow, len(links))
	for i, l := range links {
		rows[i] = linkRow{l, names[l.ConnectionID]}
	}
	return rows, err
}

// refusal says in words why something was refused.
func (v *visit) refusal(err error, fields []field) []string {
	vs, _ := wrongIn(err)
	var said []string
	for _, broken := range vs {
		said = append(said, v.violation(broken, fields))
	}
	return said
}

// act does something with a record and says so on its page. What the rules refuse is told there too.
func (c *Console) act(w view, notice string, do func(ctx context.Context, tx pgx.Tx, v *visit, id uuid.UUID, version int64) error) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		id, err := v.id(crm.ErrNotFound)
		if err != nil {
			return err
		}
		version, err := strconv.ParseInt(v.r.PostFormValue("version"), 10, 64)
		if err != nil || version < 1 {
			return errAddress
		}
		err = v.as(ctx, func(tx pgx.Tx) error { return do(ctx, tx, v, id, version) })
		if err != nil {
			return c.writeRecord(ctx, v, w, err)
		}
		return v.done(v.backTo(w.path()+"/"+id.String()), notice)
	}
}

// backTo is where a form asks to be led afterwards, else the page given.
func (v *visit) backTo(page string) string {
	if to := v.r.PostFormValue("to"); to != "" {
		return ownPath(to)
	}
	return page
}

func (c *Console) delete(w view) func(context.Context, *visit) error {
	return c.act(w, "deleted", func(ctx context.Context, tx pgx.Tx, v *visit, id uuid.UUID, version int64) error {
		return c.editor.Delete(ctx, tx, v.author(), w.kind, id, version)
	})
}

func (c *Console) restore(w view) func(context.Context, *visit) error {
	return c.act(w, "restored", func(ctx context.Context, tx pgx.Tx, v *visit, id uuid.UUID, version int64) error {
		_, err := c.editor.Restore(ctx, tx, v.author(), w.kind, id, version)
		return err
	})
}

// move changes the status of a record that moves by a table.
func (c *Console) move(w view) func(context.Context, *visit) error {
	return c.act(w, "moved", func(ctx context.Context, tx pgx.Tx, v *visit, id uuid.UUID, version int64) error {
		_, err := c.editor.Move(ctx, tx, v.author(), w.kind, id, version, map[string]any{"status": v.r.PostFormValue("status")})
		return err
	})
}

// author is the visitor as one who writes.
func (v *visit) author() edit.Author {
	return edit.Author{Identity: v.who, By: crm.By{Actor: v.who.Principal.Actor, Origin: "crm"}}
}
