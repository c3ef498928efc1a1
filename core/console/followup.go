package console

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/upkeep"
)

// followUpPage is the data of the page that lists what is to be seen to.
type followUpPage struct {
	pager
	Items   []followUp
	All     bool // everybody's that the visitor sees, not his own
	AllURL  string
	MineURL string
	Why     string
	Whys    []option
	Until   string
}

// Filtered reports whether the list may be empty only because of what was asked for.
func (p followUpPage) Filtered() bool { return p.Why != "" || p.Until != "" }

// followUp is something to be seen to, as a page shows it.
type followUp struct {
	upkeep.FollowUp
	Reason       string
	Link         string
	Date         string // of what is due on a day
	CustomerLink string // "" where the thing is the customer
	Owner        string
}

func (c *Console) followUps(ctx context.Context, v *visit) error {
	q := v.r.URL.Query()
	p := followUpPage{All: q.Get("whose") == "all", Why: q.Get("why"), Until: q.Get("until")}
	of := func(whose string) func(after string) string {
		return func(after string) string {
			return urlOf("/follow-ups", map[string]string{"whose": whose, "why": p.Why, "until": p.Until, "after": after})
		}
	}
	owner, whose := v.who.UserID, ""
	if p.All {
		owner, whose = uuid.Nil, "all"
	}
	ask := upkeep.AskOf(v.who, upkeep.Why(p.Why), owner)
	ask.After, ask.Limit = q.Get("after"), pageSize
	if p.Until != "" {
		until, err := crm.ParseDate(p.Until)
		if err != nil || until.Time().Year() < 1 {
			return errAddress
		}
		ask.Until = &until
	}
	p.Whys = append(p.Whys, option{"", v.say("follow_up.any"), p.Why == ""})
	for _, s := range upkeep.AskOf(v.who, "", owner).Sources {
		p.Whys = append(p.Whys, option{string(s.Why), v.say("follow_up.why." + string(s.Why)), p.Why == string(s.Why)})
	}
	if !slices.ContainsFunc(p.Whys, func(o option) bool { return o.Chosen }) {
		return errAddress
	}
	err := v.as(ctx, func(tx pgx.Tx) error {
		found, err := c.upkeep.FollowUps(ctx, tx, ask)
		if err != nil {
			return err
		}
		known, err := v.everybody(ctx, tx)
		if err != nil {
			return err
		}
		for _, f := range found.Items {
			f.Veil(v.who)
			p.Items = append(p.Items, v.followUp(f, known))
		}
		p.pager = pagerOf(of(whose), ask.After, found.Next)
		return nil
	})
	if err != nil {
		return err
	}
	p.AllURL, p.MineURL = of("all")(""), of("")("")
	return v.show("follow-ups", p)
}

func (v *visit) followUp(f upkeep.FollowUp, known *names) followUp {
	shown := followUp{FollowUp: f, Reason: v.say("follow_up.why." + string(f.Why)), Link: pathOf(f.Kind) + "/" + f.ID.String()}
	shown.Title = cmp.Or(f.Title, v.say("state.entity."+string(f.Kind)))
	if f.Day != nil {
		shown.Date, _ = formatDate(v.lang, f.Day)
	}
	if f.Kind != crm.KindCustomer && f.CustomerID != nil && f.Customer != "" && v.who.May(access.Resource(crm.KindCustomer), access.Read) != "" {
		shown.CustomerLink = pathOf(crm.KindCustomer) + "/" + f.CustomerID.String()
	}
	if f.OwnerID != nil {
		shown.Owner = known.people[f.OwnerID.String()]
	}
	return shown
}
