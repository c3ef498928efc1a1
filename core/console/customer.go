package console

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/link"
)

// customerPage is all that is known of a customer, on one page.
type customerPage struct {
	*recordPage
	Business, Orders, Invoices, Tickets, Tasks, People *grid // nil where the visitor may not see them

	Strip    []fact   // what counts at a glance
	Unpaid   []string // a currency each
	Paid     bool     // there is nothing unpaid
	Timeline []happening
	Log      *quickForm // nil where the visitor may not
	AddTask  *quickForm
}

// happening is something done with the customer.
type happening struct {
	Icon, What, Link string
	Subject, Content string
	With             cell
	Who              string
	At               time.Time
}

// quickForm asks for little on a page about something else.
type quickForm struct {
	Kinds []option // what an activity was
	Now   string   // in the visitor's zone
	Due   string   // when a task is due that says nothing else
	Zone  string
	Owner string // who enters it, "" where he may not say so
}

// showCustomer completes the page of a customer.
func (v *visit) showCustomer(ctx context.Context, r *recordPage, refused error) error {
	p := customerPage{recordPage: r}
	if err := v.as(ctx, func(tx pgx.Tx) error { return v.fillCustomer(ctx, tx, &p) }); err != nil {
		return err
	}
	return v.writeForm("customer", &p, refused)
}

func (v *visit) fillCustomer(ctx context.Context, tx pgx.Tx, p *customerPage) error {
	open := crm.Condition{Field: "status", Op: crm.OpEqual, Value: "open"}
	todo := crm.Condition{Field: "status", Op: crm.OpIn, Value: []string{"not_started", "started", "deferred"}}
	for _, part := range []struct {
		to *(*grid)
		relation
		only []crm.Condition
	}{
		{&p.Business, relation{crm.KindOpportunity, "customer_id", "updated_at"}, []crm.Condition{open}},
		{&p.Orders, relation{crm.KindOrder, "customer_id", "date"}, nil},
		{&p.Invoices, relation{crm.KindInvoice, "customer_id", "issue_date"}, nil},
		{&p.Tickets, relation{crm.KindTicket, "customer_id", "updated_at"}, nil},
		{&p.Tasks, relation{crm.KindTask, "customer_id", "due_at"}, []crm.Condition{todo}},
	} {
		if part.only != nil && v.who.Hides(access.Resource(part.kind), "status") {
			continue
		}
		g, ok, err := v.relatedGrid(ctx, tx, part.relation, p.ID, part.only...)
		if err != nil {
			return err
		}
		if ok {
			*part.to = &g
		}
	}
	for _, documents := range []*grid{p.Orders, p.Invoices} {
		if err := v.linkRows(ctx, tx, documents); err != nil {
			return err
		}
	}
	if err := v.people(ctx, tx, p); err != nil {
		return err
	}
	if err := v.glance(ctx, tx, p); err != nil {
		return err
	}
	p.Log, p.AddTask = v.quick(crm.KindActivity), v.quick(crm.KindTask)
	return v.timeline(ctx, tx, p)
}

// linkRows says of records where they are on other systems.
func (v *visit) linkRows(ctx context.Context, tx pgx.Tx, g *grid) error {
	if g == nil || len(g.Rows) == 0 {
		return nil
	}
	g.Journeys = v.who.May(access.DeadLetters, access.Read) != ""
	ids := make([]uuid.UUID, len(g.Rows))
	for i, row := range g.Rows {
		ids[i] = row.ID
	}
	links, err := link.OfEntities(ctx, tx, string(g.Kind), ids)
	if err != nil {
		return err
	}
	known, err := v.everybody(ctx, tx)
	if err != nil {
		return err
	}
	for i, row := range g.Rows {
		for _, l := range links[row.ID] {
			g.Rows[i].Links = append(g.Rows[i].Links, linkRow{l, known.connections[l.ConnectionID.String()]})
			g.Linked = true
		}
	}
	return nil
}

// people lists the customer's contacts.
func (v *visit) people(ctx context.Context, tx pgx.Tx, p *customerPage) error {
	r := access.Resource(crm.KindContact)
	if v.who.May(r, access.Read) == "" || v.who.Hides(r, "customers") {
		return nil
	}
	ids, err := v.console.CRM.ContactsOf(ctx, tx, p.ID)
	if err != nil {
		return err
	}
	p.People = &grid{Kind: crm.KindContact, Path: pathOf(crm.KindContact)}
	if len(ids) > 0 {
		found, err := v.console.CRM.Get(ctx, tx, crm.KindContact, ids)
		if err != nil {
			return err
		}
		var contacts []crm.Entity
		for _, id := range ids {
			if e := found[id]; e != nil && crm.HeadOf(e).DeletedAt == nil {
				contacts = append(contacts, e)
			}
		}
		fields, err := v.fields(ctx, tx, crm.KindContact)
		if err != nil {
			return err
		}
		if *p.People, err = v.gridOf(ctx, tx, viewOf(crm.KindContact), fields, contacts, []string{"name", "title", "mobile", "phone", "email"}); err != nil {
			return err
		}
	}
	if v.who.May(r, access.Create) != "" && v.who.Field(r, "customers") == access.FieldEdit {
		p.People.New = pathOf(crm.KindContact) + "/new?customers~list=1&customers.0.is_active=true&customers.0.customer_id=" + p.ID.String()
	}
	return nil
}

// glance says what counts most: what is open, what is unpaid, when somebody spoke and is to speak with the customer.
func (v *visit) glance(ctx context.Context, tx pgx.Tx, p *customerPage) error {
	if p.Business != nil {
		open, ok, err := v.sums(ctx, tx, p.ID, crm.KindOpportunity, "amount", crm.Condition{Field: "status", Op: crm.OpEqual, Value: "open"})
		if err != nil {
			return err
		}
		if ok {
			p.Strip = append(p.Strip, fact{v.say("customer.open_business"), cell{Text: "–", Texts: open}})
		}
	}
	if p.Invoices != nil {
		counts := crm.Condition{Field: "status", Op: crm.OpIn, Value: []string{"issued", "credited_partial", "credited_full"}}
		unpaid, ok, err := v.sums(ctx, tx, p.ID, crm.KindInvoice, "residual", counts)
		if err != nil {
			return err
		}
		if ok {
			p.Unpaid, p.Paid = unpaid, len(unpaid) == 0
			p.Strip = append(p.Strip, fact{v.say("field.residual"), cell{Text: "–", Texts: unpaid}})
		}
	}
	for _, f := range p.fields {
		if f.Name == "last_contact_at" || f.Name == "next_contact_at" {
			shown := v.cell(f, f.valueIn(p.doc), p.doc, p.names)
			if shown.Empty() {
				shown.Text = "–"
			}
			p.Strip = append(p.Strip, fact{f.label, shown})
		}
	}
	return nil
}

// mostSummed is how many of a customer's documents are added up; no customer has more that are open.
const mostSummed = 1000

// sums adds up an amount of a customer's records, a currency each; ok says whether the visitor may know.
func (v *visit) sums(ctx context.Context, tx pgx.Tx, customer uuid.UUID, k crm.Kind, amount string, which crm.Condition) (sums []string, ok bool, err error) {
	r := access.Resource(k)
	if slices.ContainsFunc([]string{amount, "currency", "status", "customer_id"}, func(f string) bool { return v.who.Hides(r, f) }) {
		return nil, false, nil
	}
	q := crm.Query{Filter: []crm.Condition{{Field: "customer_id", Op: crm.OpEqual, Value: customer.String()}, {Field: amount, Op: crm.OpNotEqual, Value: "0"}, which}, Limit: mostSummed}
	v.narrow(k, &q)
	page, err := v.console.CRM.List(ctx, tx, k, q)
	if err != nil {
		return nil, false, err
	}
	byCurrency := map[string]decimal.Decimal{}
	for _, e := range page.Items {
		d, err := decimal.NewFromString(crm.Text(e, amount))
		if err != nil {
			return nil, false, err
		}
		currency := crm.Text(e, "currency")
		byCurrency[currency] = byCurrency[currency].Add(d)
	}
	return amounts(byCurrency), true, nil
}

// timeline is what was done with the customer, the newest first.
func (v *visit) timeline(ctx context.Context, tx pgx.Tx, p *customerPage) error {
	r := access.Resource(crm.KindActivity)
	if v.who.May(r, access.Read) == "" || v.who.Hides(r, "customer_id") || v.who.Hides(r, "at") {
		return nil
	}
	q := crm.Query{
		Filter: []crm.Condition{{Field: "customer_id", Op: crm.OpEqual, Value: p.ID.String()}}, Sort: []crm.Sort{{Field: "at", Desc: true}}, Limit: 15,
	}
	v.narrow(crm.KindActivity, &q)
	page, err := v.console.CRM.List(ctx, tx, crm.KindActivity, q)
	if err != nil {
		return err
	}
	fields, err := v.fields(ctx, tx, crm.KindActivity)
	if err != nil {
		return err
	}
	docs := make([]map[string]any, len(page.Items))
	for i, e := range page.Items {
		if docs[i], err = v.document(e); err != nil {
			return err
		}
	}
	n, err := v.name(ctx, tx, fields, docs...)
	if err != nil {
		return err
	}
	for i, e := range page.Items {
		a, _ := e.(*crm.Activity)
		text := func(name string) string { s, _ := docs[i][name].(string); return s }
		h := happening{Icon: activityIcon(text("kind")), Link: pathOf(crm.KindActivity) + "/" + a.ID.String(), Subject: text("subject"), Content: text("content"), At: a.At}
		for _, f := range fields {
			switch f.Name {
			case "kind":
				h.What = v.word(f, text("kind"))
			case "contact_id":
				h.With = v.cell(f, docs[i][f.Name], docs[i], n)
			case "owner_id":
				h.Who = n.people[text("owner_id")]
			}
		}
		p.Timeline = append(p.Timeline, h)
	}
	return nil
}

func activityIcon(kind string) string {
	icons := map[string]string{"call": "phone", "visit": "building", "meeting": "people", "email": "letter"}
	if icon, ok := icons[kind]; ok {
		return icon
	}
	return "note"
}

// quick is a short form for a kind, nil where the visitor may not enter one.
func (v *visit) quick(k crm.Kind) *quickForm {
	r := access.Resource(k)
	if v.who.May(r, access.Create) == "" || slices.ContainsFunc([]string{"customer_id", "subject"}, func(f string) bool { return v.who.Field(r, f) != access.FieldEdit }) {
		return nil
	}
	q := &quickForm{Now: v.instantInput(time.Now().UTC().Format(time.RFC3339)), Due: v.instantInput(v.tomorrow()), Zone: v.zone().String()}
	if v.who.Field(r, "owner_id") == access.FieldEdit {
		q.Owner = v.who.UserID.String()
	}
	for _, f := range v.describe(string(k), crm.Fields(k)) {
		if f.Name == "kind" {
			for _, value := range f.Enum {
				q.Kinds = append(q.Kinds, option{Value: value, Label: v.word(f, value)})
			}
		}
	}
	return q
}
