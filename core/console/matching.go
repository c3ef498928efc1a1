package console

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/matching"
)

const matchingsPath = "/sync/matchings"

// matchingPages are those of matchings and links.
func (c *Console) matchingPages() map[string]page {
	return map[string]page{
		"GET " + matchingsPath:                   {needs(access.DeadLetters, access.Read), c.listMatchings},
		"POST " + matchingsPath:                  {needs(access.Jobs, access.Run), c.startMatching},
		"GET " + matchingsPath + "/{id}":         {needs(access.DeadLetters, access.Read), c.showMatching},
		"POST " + matchingsPath + "/{id}/settle": {needs(access.DeadLetters, access.Run), c.settleProposals},
		"GET " + linksPath:                       {needs(access.DeadLetters, access.Read), c.listLinks},
		"POST " + linksPath:                      {needs(access.DeadLetters, access.Run), c.addLink},
		"POST " + linksPath + "/{id}/unlink":     {needs(access.DeadLetters, access.Run), c.unlink},
	}
}

// matchingRow is a matching with the name of its connection.
type matchingRow struct {
	matching.Matching
	ConnectionName string
}

type matchingsPage struct {
	pager
	Connections []connectionRow
	Entities    []crm.Kind // what can be matched on some connection
	Connection  string     // chosen beforehand
	Matchings   []matchingRow
}

func (c *Console) listMatchings(ctx context.Context, v *visit) error {
	q := v.r.URL.Query()
	p := matchingsPage{Entities: c.comparable(), Connection: q.Get("connection")}
	err := v.as(ctx, func(tx pgx.Tx) error {
		found, err := matching.List(ctx, tx, matching.Filter{After: q.Get("after"), Limit: pageSize})
		if err != nil {
			return err
		}
		names, err := c.connectionNames(ctx, tx)
		if err != nil {
			return err
		}
		for _, m := range found.Items {
			p.Matchings = append(p.Matchings, matchingRow{m, names[m.ConnectionID]})
		}
		p.pager = pagerOf(from(matchingsPath), q.Get("after"), found.Next)
		p.Connections, err = c.connectionRows(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	return v.show("matchings", p)
}

func (c *Console) startMatching(ctx context.Context, v *visit) error {
	connection, err := uuid.Parse(v.r.PostFormValue("connection"))
	if err != nil {
		return errAddress
	}
	m, err := get(ctx, v, func(tx pgx.Tx) (matching.Matching, error) {
		return matching.Start(ctx, tx, c.Jobs, connection, v.r.PostFormValue("entity"), v.r.PostFormValue("accept") != "")
	})
	if err != nil {
		return err
	}
	return v.done(matchingsPath+"/"+m.ID.String(), "queued")
}

// matchingSide is a candidate as a page shows it.
type matchingSide struct {
	link.Candidate
	URL string // of its page, "" where the visitor does not see it
	Why string // the reasons of its score
}

// besides is a field with what the record and each candidate say of it.
type besides struct {
	Field, Theirs string
	Ours          []string
}

// pairingRow is a proposal as a page shows it.
type pairingRow struct {
	link.Proposal
	Sides []matchingSide
	Said  []besides
	URL   string // of the entity that it is linked with
}

type matchingPage struct {
	pager
	matchingRow
	Class, State string
	Classes      []link.Class
	States       []link.ProposalState
	Proposals    []pairingRow
	All          string // what can be done with all open ones of the class
	Refused      []string
}

func (p matchingPage) url(after string) string {
	return urlOf(matchingsPath+"/"+p.ID.String(), map[string]string{"state": p.State, "class": p.Class, "after": after})
}

// Ended reports whether proposals can be settled.
func (p matchingPage) Ended() bool { return p.FinishedAt != nil }

func (c *Console) showMatching(ctx context.Context, v *visit) error {
	p, err := c.matching(ctx, v, v.r.URL.Query())
	if err != nil {
		return err
	}
	return v.show("matching", p)
}

func (c *Console) matching(ctx context.Context, v *visit, q url.Values) (p matchingPage, err error) {
	id, err := v.id(matching.ErrNotFound)
	if err != nil {
		return p, err
	}
	p = matchingPage{Class: q.Get("class"), State: q.Get("state"), Classes: link.Classes(), States: link.ProposalStates()}
	if p.State == "" {
		p.State = string(link.ProposalOpen)
	}
	if p.Class != "" && !slices.Contains(p.Classes, link.Class(p.Class)) || !slices.Contains(p.States, link.ProposalState(p.State)) {
		return p, errAddress
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		m, err := matching.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		names, err := c.connectionNames(ctx, tx)
		if err != nil {
			return err
		}
		p.matchingRow = matchingRow{m, names[m.ConnectionID]}
		found, err := matching.Proposals(ctx, tx, c.CRM, link.ProposalFilter{
			Matching: id, Class: link.Class(p.Class), State: link.ProposalState(p.State), After: q.Get("after"), Limit: pageSize,
		}, v.who.Sight)
		if err != nil {
			return err
		}
		p.pager = pagerOf(p.url, q.Get("after"), found.Next)
		p.Proposals, err = v.pairingRows(ctx, tx, crm.Kind(m.Entity), found.Items)
		return err
	})
	if err != nil {
		return p, err
	}
	p.All = map[link.Class]string{link.Certain: "accept", link.None: "create"}[link.Class(p.Class)]
	return p, nil
}

// pairingRows put what the visitor may see of the candidates beside the records.
func (v *visit) pairingRows(ctx context.Context, tx pgx.Tx, k crm.Kind, proposals []link.Proposal) ([]pairingRow, error) {
	of := access.Resource(k)
	known := map[uuid.UUID]map[string]any{}
	if v.who.May(of, access.Read) != "" {
		var ids []uuid.UUID
		for _, p := range proposals {
			for _, c := range p.Candidates {
				ids = append(ids, c.EntityID)
			}
		}
		found, err := v.console.CRM.Get(ctx, tx, k, ids)
		if err != nil {
			return nil, err
		}
		for id, e := range found {
			if known[id], err = crm.Document(e); err != nil {
				return nil, err
			}
		}
	}
	rows := make([]pairingRow, len(proposals))
	for i, p := range proposals {
		rows[i].Proposal = p
		if p.EntityID != nil && v.who.May(of, access.Read) != "" {
			rows[i].URL = viewOf(k).path() + "/" + p.EntityID.String()
		}
		for _, c := range p.Candidates {
			side := matchingSide{Candidate: c}
			why := make([]string, len(c.Reasons))
			for j, r := range c.Reasons {
				why[j] = v.say("reason." + r.Kind)
			}
			if side.Why = strings.Join(why, ", "); known[c.EntityID] != nil {
				side.URL = viewOf(k).path() + "/" + c.EntityID.String()
			}
			rows[i].Sides = append(rows[i].Sides, side)
		}
		for _, field := range slices.Sorted(maps.Keys(p.Theirs)) {
			said := besides{Field: field, Theirs: plainText(p.Theirs[field])}
			for _, c := range p.Candidates {
				said.Ours = append(said.Ours, plainText(known[c.EntityID][field]))
			}
			if said.Theirs != "" {
				rows[i].Said = append(rows[i].Said, said)
			}
		}
	}
	return rows, nil
}

// settleProposals does what a button says about one proposal, or about all open ones of a class.
func (c *Console) settleProposals(ctx context.Context, v *visit) error {
	of, err := v.id(matching.ErrNotFound)
	if err != nil {
		return err
	}
	action, err := v.choice("action", textsOf(matching.Actions())...)
	if err != nil {
		return err
	}
	in := matching.Decision{Action: matching.Action(action), Class: link.Class(v.r.PostFormValue("all"))}
	if in.IDs, err = v.one("proposal"); err != nil {
		return err
	}
	if which := strings.TrimSpace(v.r.PostFormValue("which")); which != "" {
		err := v.as(ctx, func(tx pgx.Tx) error {
			m, err := matching.Get(ctx, tx, of)
			if err != nil {
				return err
			}
			in.EntityID, err = c.meant(ctx, tx, crm.Kind(m.Entity), which)
			return err
		})
		if err != nil {
			return err
		}
	}
	all, err := c.Matcher.SettleAll(ctx, v.who.Principal, of, in)
	if err != nil {
		return err
	}
	p, err := c.matching(ctx, v, url.Values{"class": {v.r.PostFormValue("class")}, "state": {v.r.PostFormValue("state")}})
	if err != nil {
		return err
	}
	if len(all.Refused) == 0 {
		return v.done(p.url(""), "matched")
	}
	p.Refused = reasons(all.Refused)
	return v.write(http.StatusConflict, "matching", p)
}

// meant is the entity that somebody typed: its id, number, code or sku.
func (c *Console) meant(ctx context.Context, tx pgx.Tx, k crm.Kind, which string) (uuid.UUID, error) {
	if id, err := uuid.Parse(which); err == nil {
		return id, nil
	}
	return c.CRM.FindNamed(ctx, tx, k, which)
}
