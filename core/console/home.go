package console

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// homePage is what waits for the visitor, and how things stand that are his to look after.
type homePage struct {
	Todo      []todo
	MayDo     bool // the visitor has tasks or customers at all
	Funnel    []boardStage
	Widest    int64 // the number of opportunities in the fullest stage
	MayFunnel bool
	Own       bool // the funnel is the visitor's own
	Invoices  *grid
	Finance   *homeFinance // nil for those who do not match payments
	Sync      *homeSync    // nil for those who see no connections
	Begin     bool         // nothing is there yet
	MayNew    bool
}

// todo is something whose time has come.
type todo struct {
	Text, Link string
	Customer   cell
	At         time.Time
	Late       bool   // before today
	Done       string // where a form goes that says it is done, "" if none does
	Version    int64
}

const todoSize = 20

func (c *Console) home(ctx context.Context, v *visit) error {
	var p homePage
	err := v.as(ctx, func(tx pgx.Tx) error {
		for _, fill := range []func(context.Context, pgx.Tx, *homePage) error{v.dueTasks, v.dueCustomers, v.funnel, v.dueInvoices, v.waitingForFinance, v.syncHealth} {
			if err := fill(ctx, tx, &p); err != nil {
				return err
			}
		}
		return v.beginning(ctx, tx, &p)
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(p.Todo, func(a, b todo) int { return cmp.Compare(a.At.Unix(), b.At.Unix()) })
	return v.show("home", p)
}

// today is when the day begins where the organization is, whatever the visitor's browser says: what is due is so for all.
func (v *visit) today(ctx context.Context, tx pgx.Tx) (time.Time, error) {
	if v.days == nil {
		var err error
		if v.days, err = v.console.CRM.Location(ctx, tx); err != nil {
			return time.Time{}, err
		}
	}
	year, month, day := time.Now().In(v.days).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, v.days), nil
}

// due reads the visitor's own of a kind whose time has come by the end of today.
func (v *visit) due(ctx context.Context, tx pgx.Tx, k crm.Kind, at string, more ...crm.Condition) ([]crm.Entity, bool, error) {
	r := access.Resource(k)
	if v.who.May(r, access.Read) == "" || slices.ContainsFunc([]string{at, "owner_id", "status"}, func(f string) bool { return v.who.Hides(r, f) }) {
		return nil, false, nil
	}
	today, err := v.today(ctx, tx)
	if err != nil {
		return nil, false, err
	}
	q := crm.Query{Filter: append([]crm.Condition{
		{Field: "owner_id", Op: crm.OpEqual, Value: v.who.UserID.String()},
		{Field: at, Op: crm.OpLess, Value: today.AddDate(0, 0, 1).UTC().Format(time.RFC3339)},
	}, more...), Sort: []crm.Sort{{Field: at}}, Limit: todoSize}
	q.Blind = v.who.Blind(r)
	page, err := v.console.CRM.List(ctx, tx, k, q)
	return page.Items, true, err
}

func (v *visit) dueTasks(ctx context.Context, tx pgx.Tx, p *homePage) error {
	open := crm.Condition{Field: "status", Op: crm.OpIn, Value: []string{"not_started", "started", "deferred"}}
	tasks, may, err := v.due(ctx, tx, crm.KindTask, "due_at", open)
	if err != nil || !may {
		return err
	}
	p.MayDo = true
	fields := v.describe(string(crm.KindTask), crm.Fields(crm.KindTask))
	docs := make([]map[string]any, len(tasks))
	for i, e := range tasks {
		if docs[i], err = v.document(e); err != nil {
			return err
		}
	}
	n, err := v.name(ctx, tx, fields, docs...)
	if err != nil {
		return err
	}
	today, err := v.today(ctx, tx)
	if err != nil {
		return err
	}
	for i, e := range tasks {
		t, _ := e.(*crm.Task)
		doc := docs[i]
		item := todo{Link: pathOf(crm.KindTask) + "/" + t.ID.String(), At: *t.DueAt, Late: t.DueAt.Before(today), Version: t.Version}
		item.Text, _ = doc["subject"].(string)
		for _, f := range fields {
			if f.Name == "customer_id" {
				item.Customer = v.cell(f, doc[f.Name], doc, n)
			}
		}
		if v.who.Covers(access.Resource(crm.KindTask), access.Update, t.OwnerID) {
			item.Done = item.Link + "/move"
		}
		p.Todo = append(p.Todo, item)
	}
	return nil
}

func (v *visit) dueCustomers(ctx context.Context, tx pgx.Tx, p *homePage) error {
	customers, may, err := v.due(ctx, tx, crm.KindCustomer, "next_contact_at")
	if err != nil || !may {
		return err
	}
	p.MayDo = true
	today, err := v.today(ctx, tx)
	if err != nil {
		return err
	}
	for _, e := range customers {
		c, _ := e.(*crm.Customer)
		doc, err := v.document(c)
		if err != nil {
			return err
		}
		name, _ := doc["name"].(string)
		p.Todo = append(p.Todo, todo{
			Text: v.say("home.call", name), Link: pathOf(crm.KindCustomer) + "/" + c.ID.String(), At: *c.NextContactAt, Late: c.NextContactAt.Before(today),
		})
	}
	return nil
}

// funnel is the default pipeline with what stands in its open stages.
func (v *visit) funnel(ctx context.Context, tx pgx.Tx, p *homePage) error {
	r := access.Resource(crm.KindOpportunity)
	scope := v.who.May(r, access.Read)
	if scope == "" || v.who.Hides(r, "stage") || v.who.Hides(r, "pipeline_id") {
		return nil
	}
	p.MayFunnel, p.Own = true, scope == postgres.ScopeOwn
	pipelines, err := v.pipelines(ctx, tx)
	if err != nil || len(pipelines) == 0 {
		return err
	}
	stages, err := v.stageSums(ctx, tx, pipelines[0], p.Own, v.console.CRM.OpenTotals)
	if err != nil {
		return err
	}
	for _, s := range stages {
		if s.Kind == "open" {
			s.All = pathOf(crm.KindOpportunity) + "?pipeline_id=" + pipelines[0].ID.String() + "&stage=" + s.Code
			p.Funnel, p.Widest = append(p.Funnel, s), max(p.Widest, s.Count)
		}
	}
	if p.Widest == 0 {
		p.Funnel = nil
	}
	return nil
}

// dueInvoices are those to be paid within a week.
func (v *visit) dueInvoices(ctx context.Context, tx pgx.Tx, p *homePage) error {
	r := access.Resource(crm.KindInvoice)
	if v.who.May(r, access.Read) == "" || slices.ContainsFunc([]string{"due_date", "residual", "status"}, func(f string) bool { return v.who.Hides(r, f) }) {
		return nil
	}
	today, err := v.today(ctx, tx)
	if err != nil {
		return err
	}
	week := today.AddDate(0, 0, 7).Format(time.DateOnly)
	g, next, err := v.grid(ctx, tx, crm.KindInvoice, crm.Query{
		Filter: []crm.Condition{
			{Field: "residual", Op: crm.OpGreater, Value: "0"},
			{Field: "due_date", Op: crm.OpLessEqual, Value: week},
			{Field: "status", Op: crm.OpIn, Value: []string{"issued", "credited_partial"}},
		},
		Sort: []crm.Sort{{Field: "due_date"}}, Limit: relatedSize,
	}, []string{"number", "customer_id", "due_date", "residual"})
	if next != "" {
		g.All = pathOf(crm.KindInvoice) + "?sort=due_date&status=issued&residual%5Bgt%5D=0&due_date%5Ble%5D=" + week
	}
	p.Invoices = &g
	return err
}

func (v *visit) syncHealth(ctx context.Context, tx pgx.Tx, p *homePage) (err error) {
	if v.who.May(access.Connections, access.Read) == "" {
		return nil
	}
	s, err := v.console.readHealth(ctx, tx)
	p.Sync = v.homeSync(s)
	return err
}

// beginning finds out whether there is a customer at all.
func (v *visit) beginning(ctx context.Context, tx pgx.Tx, p *homePage) error {
	r := access.Resource(crm.KindCustomer)
	p.MayNew = v.who.May(r, access.Create) != ""
	if v.who.May(r, access.Read) == "" {
		return nil
	}
	q := crm.Query{Limit: 1}
	v.narrow(crm.KindCustomer, &q)
	page, err := v.console.CRM.List(ctx, tx, crm.KindCustomer, q)
	p.Begin = len(page.Items) == 0 && (p.Sync == nil || len(p.Sync.Connections) == 0)
	return err
}
