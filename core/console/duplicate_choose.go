package console

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/duplicate"
	"crmhub/core/edit"
)

// twinPage is the data of the page on which somebody says with what a record is to be merged.
type twinPage struct {
	Kind        crm.Kind
	Icon        string
	Path        string
	Title, Link string // of the record
	Text        string // what is searched for; its own name where nothing looks like it
	Likely      []hit  // what looks like it
	Hits        []hit
}

// twinPath is where somebody says with what a record is to be merged.
func twinPath(k crm.Kind, id uuid.UUID) string {
	return duplicatesPath + "/" + string(k) + "/" + id.String()
}

// chooseTwin searches what a record may be merged with.
func (c *Console) chooseTwin(ctx context.Context, v *visit) error {
	k := crm.Kind(v.r.PathValue("kind"))
	id, err := uuid.Parse(v.r.PathValue("a"))
	if err != nil || !slices.Contains(duplicate.Mergeable(), k) {
		return duplicate.ErrNotFound
	}
	w := viewOf(k)
	p := twinPage{Kind: k, Icon: w.icon, Path: twinPath(k, id), Link: pathOf(k) + "/" + id.String()}
	err = v.as(ctx, func(tx pgx.Tx) error {
		found, err := c.CRM.Get(ctx, tx, k, []uuid.UUID{id})
		if err != nil {
			return err
		}
		if found[id] == nil || crm.HeadOf(found[id]).DeletedAt != nil {
			return crm.ErrNotFound
		}
		if err := edit.Permit(v.who, found[id], access.Merge); err != nil {
			return err
		}
		p.Title = v.nameOf(w, found[id])
		if p.Likely, err = v.likelyTwins(ctx, tx, found[id]); err != nil {
			return err
		}
		if p.Text = strings.TrimSpace(v.r.URL.Query().Get("q")); !v.r.URL.Query().Has("q") && len(p.Likely) == 0 {
			p.Text = p.Title
		}
		if p.Text == "" {
			return nil
		}
		hits, err := v.hits(ctx, tx, k, p.Text, 20)
		for _, h := range hits {
			if h.ID != id && !slices.ContainsFunc(p.Likely, func(likely hit) bool { return likely.ID == h.ID }) {
				p.Hits = append(p.Hits, hit{h, comparePath(k, id, h.ID)})
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return v.show("twin", p)
}

// likelyTwins are what looks like a record.
func (v *visit) likelyTwins(ctx context.Context, tx pgx.Tx, e crm.Entity) ([]hit, error) {
	k := e.Kind()
	if !slices.Contains(crm.Matched(), k) {
		return nil, nil
	}
	matches, err := duplicate.Check(ctx, tx, v.console.CRM, e)
	if err != nil {
		return nil, err
	}
	var likely []hit
	for _, m := range matches {
		if m.ID == nil {
			continue // not for the visitor to see
		}
		why := make([]string, len(m.Reasons))
		for i, reason := range m.Reasons {
			why[i] = v.say("reason." + reason.Kind)
		}
		likely = append(likely, hit{crm.Hit{Kind: k, ID: *m.ID, Title: m.Title, Subtitle: strings.Join(why, " · ")}, comparePath(k, crm.HeadOf(e).ID, *m.ID)})
	}
	return likely, nil
}

// mergeChosen leads to the comparison of the two records that were chosen in a list.
func (v *visit) mergeChosen(l *listPage, ids []uuid.UUID) error {
	k := l.View.kind
	switch {
	case !slices.Contains(duplicate.Mergeable(), k):
		return errAddress
	case v.who.May(l.View.resource(), access.Merge) == "":
		return errForbidden
	case len(ids) != 2:
		return v.done(l.with("after", l.asked.Get("after")), "merge_two")
	}
	return v.goTo(comparePath(k, ids[0], ids[1]))
}
