package console

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/upkeep"
)

// poolPage is the data of the page of the customers that nobody looks after.
type poolPage struct {
	pager
	Text     string
	Filters  []filter
	Items    []pooled
	MayClaim bool
	Owners   []option  // to whom he may give them; nobody if he may not
	Limits   []string  // what the visitor took, and may take
	Refused  []refused // of what he wanted to claim or to assign
	Claimed  int       // how many of that were claimed
	Assigned int       // or assigned
	Back     string    // the query of this page, to come back to

	asked upkeep.Filter
}

// Filtered reports whether the list may be empty only because of what was asked for.
func (p *poolPage) Filtered() bool {
	return p.Text != "" || slices.ContainsFunc(p.Filters, func(f filter) bool { return f.Now != "" })
}

// MayTake reports whether the visitor may do something with what he chooses.
func (p *poolPage) MayTake() bool { return p.MayClaim || len(p.Owners) > 0 }

// pooled is a customer in the pool as the page shows it.
type pooled struct {
	upkeep.PooledCustomer
	Lifecycle, Level cell
	Reach            []string // how whoever claims it can reach it
	How              string   // it came into the pool
}

// refused are customers that the visitor did not get, for one reason.
type refused struct {
	Names []string
	Why   string
	Until *time.Time // when it will do by itself
}

// claimMost is how many customers are claimed at once.
const claimMost = 100

func (c *Console) showPool(ctx context.Context, v *visit) error {
	p, err := v.readPool(v.r.URL.Query())
	if err != nil {
		return err
	}
	if err := v.as(ctx, func(tx pgx.Tx) error { return v.fillPool(ctx, tx, p) }); err != nil {
		return err
	}
	return v.show("pool", p)
}

// claim gives the visitor customers out of the pool, as far as he may have them. What was refused the page says, customer by customer.
func (c *Console) claim(ctx context.Context, v *visit) error {
	p, ids, err := v.wanted()
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return v.done(p.url(""), "claim_nothing")
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		before, err := v.pool(ctx, tx, p.asked) // who is refused is in the list, unless somebody was faster
		if err != nil {
			return err
		}
		verdicts, err := c.upkeep.Claim(ctx, tx, v.author().By, v.who.UserID, ids)
		if err != nil {
			return err
		}
		p.Claimed = p.judge(v, verdicts, before.Items, v.refusalWords)
		return v.fillPool(ctx, tx, p)
	})
	if err != nil {
		return err
	}
	switch {
	case len(p.Refused) > 0:
		return v.write(http.StatusUnprocessableEntity, "pool", p)
	case len(ids) == 1 && v.who.May(access.Resource(crm.KindCustomer), access.Read) != "":
		return v.done(pathOf(crm.KindCustomer)+"/"+ids[0].String(), "claimed")
	default:
		return v.done(p.url(""), "claimed")
	}
}

// assign gives customers out of the pool to somebody, as far as his limit and the visitor's permission reach.
func (c *Console) assign(ctx context.Context, v *visit) error {
	p, ids, err := v.wanted()
	if err != nil {
		return err
	}
	owner, err := uuid.Parse(v.r.PostFormValue("owner"))
	if err != nil {
		return errAddress
	}
	if v.who.May(access.Pool, access.Read) == "" || !v.who.Covers(access.Resource(crm.KindCustomer), access.Assign, &owner) {
		return errForbidden
	}
	if len(ids) == 0 {
		return v.done(p.url(""), "claim_nothing")
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		before, err := v.pool(ctx, tx, p.asked)
		if err != nil {
			return err
		}
		verdicts, err := c.upkeep.Assign(ctx, tx, v.author().By, owner, ids)
		if err != nil {
			return err
		}
		p.Assigned = p.judge(v, verdicts, before.Items, func(r *upkeep.Refusal) string {
			if r.Code == upkeep.MaxOwned && v.lang != "en" { // the words are about the reader
				return v.say("pool.assignee_full")
			}
			return v.refusalWords(r)
		})
		return v.fillPool(ctx, tx, p)
	})
	if err != nil {
		return err
	}
	if len(p.Refused) > 0 {
		return v.write(http.StatusUnprocessableEntity, "pool", p)
	}
	return v.done(p.url(""), "assigned")
}

// wanted reads which customers a form is about, and the page that it was on.
func (v *visit) wanted() (*poolPage, []uuid.UUID, error) {
	if err := v.r.ParseForm(); err != nil {
		return nil, nil, errAddress
	}
	wanted := v.r.Form["id"]
	if one := v.r.PostFormValue("one"); one != "" {
		wanted = []string{one}
	}
	back, err := url.ParseQuery(v.r.PostFormValue("back"))
	if err != nil || len(wanted) > claimMost {
		return nil, nil, errAddress
	}
	ids, err := idsOf(wanted)
	if err != nil {
		return nil, nil, err
	}
	p, err := v.readPool(back)
	return p, ids, err
}

// readPool reads what the list is asked for. What the visitor does not see he may not ask for either.
func (v *visit) readPool(q url.Values) (*poolPage, error) {
	p := &poolPage{Text: q.Get("q")}
	p.asked = upkeep.Filter{Text: p.Text, Lifecycle: q.Get("lifecycle"), Level: q.Get("level"), After: q.Get("after"), Limit: pageSize}
	r := access.Resource(crm.KindCustomer)
	if p.Text != "" && v.who.Hides(r, "name") {
		return nil, errAddress
	}
	for _, f := range v.describe(string(crm.KindCustomer), crm.Fields(crm.KindCustomer)) {
		if f.Name != "lifecycle" && f.Name != "level" {
			continue
		}
		now := q.Get(f.Name)
		if now != "" && (v.who.Hides(r, f.Name) || !slices.Contains(f.Enum, now)) {
			return nil, errAddress
		}
		if !v.who.Hides(r, f.Name) {
			p.Filters = append(p.Filters, filter{f.Name, f.label, now, v.filterOptions(f, now, nil)})
		}
	}
	_, p.Back, _ = strings.Cut(p.url(p.asked.After), "?")
	return p, nil
}

func (p *poolPage) url(after string) string {
	return urlOf("/pool", map[string]string{"q": p.Text, "lifecycle": p.asked.Lifecycle, "level": p.asked.Level, "after": after})
}

// pool reads a page of the pool as the visitor may see it.
func (v *visit) pool(ctx context.Context, tx pgx.Tx, f upkeep.Filter) (postgres.Page[upkeep.PooledCustomer], error) {
	found, err := v.console.upkeep.List(ctx, tx, f)
	for i := range found.Items {
		found.Items[i].Veil(v.who)
	}
	return found, err
}

func (v *visit) fillPool(ctx context.Context, tx pgx.Tx, p *poolPage) error {
	if p.MayClaim = v.who.May(access.Pool, access.Claim) != ""; p.MayClaim {
		capacity, err := v.console.upkeep.Capacity(ctx, tx, v.who.UserID)
		if err != nil {
			return err
		}
		p.Limits = v.limits(capacity)
	}
	if v.who.May(access.Resource(crm.KindCustomer), access.Assign) != "" {
		persons, err := access.Names(ctx, tx)
		if err != nil {
			return err
		}
		p.Owners = v.assignable(crm.KindCustomer, persons)
	}
	found, err := v.pool(ctx, tx, p.asked)
	if err != nil {
		return err
	}
	fields := v.describe(string(crm.KindCustomer), crm.Fields(crm.KindCustomer))
	for _, e := range found.Items {
		p.Items = append(p.Items, v.pooled(e, fields))
	}
	p.pager = pagerOf(p.url, p.asked.After, found.Next)
	return nil
}

// limits say what the visitor took, and what he may take.
func (v *visit) limits(c upkeep.Capacity) []string {
	said := []string{v.say("pool.owned", c.Owned), v.say("pool.today", c.ClaimedToday)}
	if c.MaxOwned != nil {
		said[0] = v.say("pool.owned_of", c.Owned, *c.MaxOwned)
	}
	if c.ClaimsPerDay != nil {
		said[1] = v.say("pool.today_of", c.ClaimedToday, *c.ClaimsPerDay)
	}
	if c.CooldownDays != nil {
		said = append(said, v.say("pool.cooldown", *c.CooldownDays))
	}
	return said
}

func (v *visit) pooled(e upkeep.PooledCustomer, fields []field) pooled {
	shown := pooled{PooledCustomer: e}
	for _, f := range fields {
		switch f.Name {
		case "lifecycle":
			shown.Lifecycle = v.badge(f, e.Lifecycle)
		case "level":
			shown.Level = cell{Text: v.word(f, e.Level)}
		}
	}
	shown.Name = cmp.Or(e.Name, v.say("state.entity."+string(crm.KindCustomer)))
	if e.HasPhone != nil && *e.HasPhone {
		shown.Reach = append(shown.Reach, v.label("customer.phone"))
	}
	if e.HasEmail != nil && *e.HasEmail {
		shown.Reach = append(shown.Reach, v.label("customer.email"))
	}
	switch e.Event {
	case upkeep.Recycled:
		shown.How = v.say("pool.recycled", e.Rule)
	case upkeep.Released:
		shown.How = cmp.Or(e.Reason, v.say("pool.released"))
	}
	return shown
}

// judge says what became of what the visitor wanted, and returns how much of it was done.
func (p *poolPage) judge(v *visit, verdicts []upkeep.Verdict, listed []upkeep.PooledCustomer, words func(*upkeep.Refusal) string) (done int) {
	for _, verdict := range verdicts {
		if verdict.Done {
			done++
			continue
		}
		name := v.say("state.entity." + string(crm.KindCustomer))
		if i := slices.IndexFunc(listed, func(e upkeep.PooledCustomer) bool { return e.ID == verdict.ID && e.Name != "" }); i >= 0 {
			name = listed[i].Name
		}
		why, until := words(verdict.Refusal), verdict.Refusal.Until
		same := func(r refused) bool { return r.Why == why && r.Until == nil && until == nil }
		if i := slices.IndexFunc(p.Refused, same); i >= 0 {
			p.Refused[i].Names = append(p.Refused[i].Names, name)
			continue
		}
		p.Refused = append(p.Refused, refused{[]string{name}, why, until})
	}
	return done
}
