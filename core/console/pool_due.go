package console

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/upkeep"
)

// duePage is the data of the page that says which customers fall into the pool, and why.
type duePage struct {
	pager
	Ahead  int // days that it looks ahead
	Owner  string
	Owners []option // nobody where the visitor does not see whose customers are
	Items  []dueRow
}

// dueRow is a customer that falls, as the page shows it.
type dueRow struct {
	upkeep.DueCustomer
	Why   string // what is counted, and since when
	DueOn string
}

const mostAhead = 366

func (c *Console) listDue(ctx context.Context, v *visit) error {
	customers := access.Resource(crm.KindCustomer)
	if v.who.May(customers, access.Read) == "" {
		return errForbidden
	}
	q := v.r.URL.Query()
	p := duePage{Owner: q.Get("owner_id")}
	var err error
	if s := q.Get("ahead"); s != "" {
		if p.Ahead, err = strconv.Atoi(s); err != nil || p.Ahead < 0 || p.Ahead > mostAhead {
			return errAddress
		}
	}
	owner := uuid.Nil
	if p.Owner != "" {
		if owner, err = uuid.Parse(p.Owner); err != nil || v.who.Hides(customers, "owner_id") {
			return errAddress
		}
	}
	asked := upkeep.DryRun{Owners: upkeep.CustomersOf(v.who, owner), Ahead: p.Ahead, After: q.Get("after"), Limit: pageSize}
	address := func(after string) string {
		return urlOf("/pool/due", map[string]string{"ahead": strconv.Itoa(p.Ahead), "owner_id": p.Owner, "after": after})
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		found, err := c.upkeep.Due(ctx, tx, asked)
		if err != nil {
			return err
		}
		for _, d := range found.Items {
			d.Veil(v.who)
			p.Items = append(p.Items, v.dueRow(d))
		}
		p.pager = pagerOf(address, asked.After, found.Next)
		if v.who.Hides(customers, "owner_id") {
			return nil
		}
		persons, err := access.Names(ctx, tx)
		reach := v.who.Owners(customers, access.Read)
		for _, person := range people(persons, p.Owner) {
			if id, _ := uuid.Parse(person.Value); reach == nil || slices.Contains(reach, id) {
				p.Owners = append(p.Owners, person)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return v.show("pool-due", p)
}

func (v *visit) dueRow(d upkeep.DueCustomer) dueRow {
	row := dueRow{DueCustomer: d}
	row.Name = cmp.Or(d.Name, v.say("state.entity."+string(crm.KindCustomer)))
	row.DueOn, _ = formatDate(v.lang, d.DueOn)
	if d.Basis != "" && d.Since != nil {
		since, _ := formatDate(v.lang, d.Since)
		row.Why = v.say("pool.since."+string(d.Basis), since)
	}
	return row
}

// poolLogPage is the data of the page of what came into the pool and left it.
type poolLogPage struct {
	pager
	Event  string
	Events []option
	Items  []poolEvent
}

// poolEvent is an entry of the log as the page shows it.
type poolEvent struct {
	upkeep.PoolEvent
	Name     string // of the customer
	Link     string // "" where the visitor does not see it
	Actor    string
	From, To string
	Why      string
}

func (c *Console) listPoolLog(ctx context.Context, v *visit) error {
	q := v.r.URL.Query()
	p := poolLogPage{Event: q.Get("event"), Events: []option{{"", v.say("pool.log.any"), q.Get("event") == ""}}}
	for _, w := range upkeep.Whats() {
		p.Events = append(p.Events, option{string(w), v.say("pool.event." + string(w)), string(w) == p.Event})
	}
	if !slices.ContainsFunc(p.Events, func(o option) bool { return o.Chosen }) {
		return errAddress
	}
	after := q.Get("after")
	address := func(after string) string {
		return urlOf("/pool/log", map[string]string{"event": p.Event, "after": after})
	}
	err := v.as(ctx, func(tx pgx.Tx) error {
		found, err := c.upkeep.Log(ctx, tx, upkeep.LogFilter{Event: upkeep.What(p.Event), After: after, Limit: pageSize})
		if err != nil {
			return err
		}
		p.pager = pagerOf(address, after, found.Next)
		known, err := v.everybody(ctx, tx)
		if err != nil {
			return err
		}
		ids := make([]uuid.UUID, len(found.Items))
		for i, e := range found.Items {
			ids[i] = e.CustomerID
		}
		titles, err := c.CRM.Titles(ctx, tx, crm.KindCustomer, ids)
		if err != nil {
			return err
		}
		for _, e := range found.Items {
			e.Veil(v.who)
			p.Items = append(p.Items, v.poolEvent(e, known, titles))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return v.show("pool-log", p)
}

func (v *visit) poolEvent(e upkeep.PoolEvent, known *names, titles map[uuid.UUID]string) poolEvent {
	customers := access.Resource(crm.KindCustomer)
	shown := poolEvent{PoolEvent: e, Name: v.say("state.entity." + string(crm.KindCustomer)), Actor: v.actor(e.By, known)}
	if title, ok := titles[e.CustomerID]; ok && v.who.May(customers, access.Read) != "" {
		shown.Name = cmp.Or(upkeep.SeenText(v.who, crm.KindCustomer, crm.TitleField(crm.KindCustomer), title), shown.Name)
		shown.Link = pathOf(crm.KindCustomer) + "/" + e.CustomerID.String()
	}
	if e.FromOwnerID != nil {
		shown.From = known.people[e.FromOwnerID.String()]
	}
	if e.ToOwnerID != nil {
		shown.To = known.people[e.ToOwnerID.String()]
	}
	switch {
	case e.Basis != "" && e.Since != nil:
		since, _ := formatDate(v.lang, e.Since)
		shown.Why = e.Rule + v.say("colon") + v.say("pool.since."+string(e.Basis), since)
	case e.Rule != "":
		shown.Why = e.Rule
	default:
		shown.Why = e.Reason
	}
	return shown
}
