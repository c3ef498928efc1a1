package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/link"
	"crmhub/core/reconcile"
)

// conflictRow is a conflict as a page shows it.
type conflictRow struct {
	link.Kept
	ConnectionName     string
	Label              string // of the field
	Title              string // of the entity, "" where the visitor does not see it
	URL                string // of its page
	BaseText           string
	OursText, TheyText string
	Simple             bool // another value can be typed
}

type conflictsPage struct {
	pager
	Status    string
	Statuses  []link.ConflictStatus
	Field     string
	Conflicts []conflictRow
	Rules     []conflictRule // fields with open conflicts on this page
	Refused   string         // why one was not settled
}

// conflictRule is what can be decided for all open conflicts at once.
type conflictRule struct {
	ConnectionID   uuid.UUID
	ConnectionName string
	Entity, Field  string
	Label          string // of the field
}

func (p conflictsPage) url(after string) string {
	return urlOf("/sync/conflicts", map[string]string{"status": p.Status, "field": p.Field, "after": after})
}

func (c *Console) listConflicts(ctx context.Context, v *visit) error {
	p, err := c.conflicts(ctx, v, v.r.URL.Query())
	if err != nil {
		return err
	}
	return v.show("conflicts", p)
}

func (c *Console) conflicts(ctx context.Context, v *visit, q url.Values) (conflictsPage, error) {
	p := conflictsPage{Status: q.Get("status"), Statuses: link.ConflictStatuses(), Field: q.Get("field")}
	if p.Status == "" {
		p.Status = string(link.ConflictOpen)
	}
	if !slices.Contains(p.Statuses, link.ConflictStatus(p.Status)) {
		return p, errAddress
	}
	err := v.as(ctx, func(tx pgx.Tx) error {
		found, err := link.ListConflicts(ctx, tx, link.ConflictFilter{
			Status: link.ConflictStatus(p.Status), Field: p.Field, After: q.Get("after"), Limit: pageSize,
		})
		if err != nil {
			return err
		}
		names, err := c.connectionNames(ctx, tx)
		if err != nil {
			return err
		}
		p.pager = pagerOf(p.url, q.Get("after"), found.Next)
		for _, k := range found.Items {
			p.Conflicts = append(p.Conflicts, v.conflictRow(k, names[k.ConnectionID]))
		}
		about := func(i int) (string, uuid.UUID) { return p.Conflicts[i].Entity, p.Conflicts[i].EntityID }
		return v.titled(ctx, tx, len(p.Conflicts), about, func(i int, title, url string) { p.Conflicts[i].Title, p.Conflicts[i].URL = title, url })
	})
	for _, k := range p.Conflicts {
		rule := conflictRule{k.ConnectionID, k.ConnectionName, k.Entity, k.Field, k.Label}
		same := func(r conflictRule) bool {
			return r == rule
		}
		if k.Status == link.ConflictOpen && !slices.ContainsFunc(p.Rules, same) {
			p.Rules = append(p.Rules, rule)
		}
	}
	return p, err
}

func (v *visit) conflictRow(k link.Kept, connection string) conflictRow {
	row := conflictRow{Kept: k, ConnectionName: connection, Label: v.label(k.Entity + "." + k.Field)}
	if !v.who.Sees(access.Resource(k.Entity), k.Field) {
		return row
	}
	row.BaseText, row.OursText, row.TheyText = plainText(k.Base), plainText(k.Ours), plainText(k.Theirs)
	_, ours := k.Ours.(string)
	_, theirs := k.Theirs.(string)
	row.Simple = (ours || k.Ours == nil) && (theirs || k.Theirs == nil) && v.who.May(access.Resource(k.Entity), access.Update) != ""
	return row
}

// settleConflict decides one conflict as the form says.
func (c *Console) settleConflict(ctx context.Context, v *visit) error {
	id, err := v.id(link.ErrNoConflict)
	if err != nil {
		return err
	}
	side, err := v.choice("side", string(link.ConflictOurs), string(link.ConflictTheirs), string(link.ConflictValue))
	if err != nil {
		return err
	}
	d := reconcile.Decision{Status: link.ConflictStatus(side)}
	if d.Status == link.ConflictValue {
		d.Value = v.r.PostFormValue("value")
	}
	var done reconcile.Settled
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		if d.Status == link.ConflictValue {
			k, err := link.GetConflict(ctx, tx, id)
			if err != nil {
				return err
			}
			if v.who.May(access.Resource(k.Entity), access.Update) == "" {
				return errForbidden
			}
		}
		done, err = c.Reconciler.Settle(ctx, tx, v.author().By, id, d)
		return err
	})
	if err != nil {
		return err
	}
	if !done.Settled {
		return c.notSettled(ctx, v, done.Reason)
	}
	return v.done("/sync/conflicts", "settled")
}

// settleConflicts decides all open conflicts about a field.
func (c *Console) settleConflicts(ctx context.Context, v *visit) error {
	side, err := v.choice("side", string(link.ConflictOurs), string(link.ConflictTheirs))
	if err != nil {
		return err
	}
	connection, err := uuid.Parse(v.r.PostFormValue("connection"))
	if err != nil {
		return errAddress
	}
	rule := reconcile.Rule{Connection: connection, Entity: v.r.PostFormValue("entity"), Field: v.r.PostFormValue("field"), Status: link.ConflictStatus(side)}
	var left string
	for after := ""; ; {
		done, err := get(ctx, v, func(tx pgx.Tx) (reconcile.Ruled, error) {
			return c.Reconciler.SettleAll(ctx, tx, v.author().By, rule, after)
		})
		if err != nil {
			return err
		}
		if len(done.Left) > 0 {
			left = done.Left[0].Reason
		}
		if after = done.Next; after == "" {
			break
		}
	}
	if left != "" {
		return c.notSettled(ctx, v, left)
	}
	return v.done("/sync/conflicts", "settled")
}

func (c *Console) notSettled(ctx context.Context, v *visit, why string) error {
	p, err := c.conflicts(ctx, v, url.Values{})
	if err != nil {
		return err
	}
	p.Refused, v.here = why, "/sync/conflicts"
	return v.write(http.StatusConflict, "conflicts", p)
}
