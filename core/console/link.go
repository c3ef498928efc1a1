package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/link"
	"crmhub/core/reconcile"
	"crmhub/core/schema"
)

const linksPath = "/sync/links"

// linkStates are where a link can stand.
func linkStates() []link.State {
	return []link.State{link.Pending, link.Sending, link.Unknown, link.Linked, link.Parked, link.Waiting, link.Failed, link.Unlinked}
}

// crossRow is a link as a page shows it.
type crossRow struct {
	link.Link
	ConnectionName string
	Title, URL     string // of its entity, "" where the visitor does not see it
}

type linksPage struct {
	pager
	Words, Connection, Entity, State string
	Connections                      []connectionRow
	Entities                         []crm.Kind
	States                           []link.State
	Links                            []crossRow
	Refused                          string // why something was not linked or taken apart
}

func (p linksPage) url(after string) string {
	return urlOf(linksPath, map[string]string{"q": p.Words, "connection": p.Connection, "entity": p.Entity, "state": p.State, "after": after})
}

func (c *Console) listLinks(ctx context.Context, v *visit) error {
	p, err := c.links(ctx, v, v.r.URL.Query())
	if err != nil {
		return err
	}
	return v.show("links", p)
}

func (c *Console) links(ctx context.Context, v *visit, q url.Values) (linksPage, error) {
	p := linksPage{
		Words: strings.TrimSpace(q.Get("q")), Connection: q.Get("connection"), Entity: q.Get("entity"), State: q.Get("state"),
		Entities: c.comparable(), States: linkStates(),
	}
	f := link.Filter{Words: p.Words, Entity: p.Entity, State: link.State(p.State), After: q.Get("after"), Limit: pageSize}
	if p.Connection != "" {
		var err error
		if f.Connection, err = uuid.Parse(p.Connection); err != nil {
			return p, errAddress
		}
	}
	if p.Entity != "" && !slices.Contains(p.Entities, crm.Kind(p.Entity)) || p.State != "" && !slices.Contains(p.States, f.State) {
		return p, errAddress
	}
	err := v.as(ctx, func(tx pgx.Tx) (err error) {
		if p.Connections, err = c.connectionRows(ctx, tx); err != nil {
			return err
		}
		if p.Words != "" {
			if f.Named, err = edit.Named(ctx, tx, c.CRM, v.who, p.Entity, p.Words); err != nil {
				return err
			}
		}
		found, err := link.List(ctx, tx, f)
		if err != nil {
			return err
		}
		names, err := c.connectionNames(ctx, tx)
		if err != nil {
			return err
		}
		for _, l := range found.Items {
			p.Links = append(p.Links, crossRow{Link: l, ConnectionName: names[l.ConnectionID]})
		}
		p.pager = pagerOf(p.url, f.After, found.Next)
		about := func(i int) (string, uuid.UUID) { return p.Links[i].Entity, p.Links[i].EntityID }
		return v.titled(ctx, tx, len(p.Links), about, func(i int, title, url string) { p.Links[i].Title, p.Links[i].URL = title, url })
	})
	return p, err
}

// titled names what the n rows of a page are about: name is called for each that the visitor sees, with its title, "" where that
// is hidden from him, and its page.
func (v *visit) titled(
	ctx context.Context, tx pgx.Tx, n int, about func(i int) (entity string, id uuid.UUID), name func(i int, title, url string),
) error {
	of := map[crm.Kind][]uuid.UUID{}
	for i := range n {
		if entity, id := about(i); v.who.May(access.Resource(entity), access.Read) != "" {
			of[crm.Kind(entity)] = append(of[crm.Kind(entity)], id)
		}
	}
	for k, ids := range of {
		titles, err := v.console.CRM.Titles(ctx, tx, k, ids)
		if err != nil {
			return err
		}
		hidden := v.who.Hides(access.Resource(k), crm.TitleField(k))
		for i := range n {
			entity, id := about(i)
			title, seen := titles[id]
			if !seen || entity != string(k) {
				continue
			}
			if hidden {
				title = ""
			}
			name(i, title, viewOf(k).path()+"/"+id.String())
		}
	}
	return nil
}

// addLink links an entity with a record by hand.
func (c *Console) addLink(ctx context.Context, v *visit) error {
	connection, err := uuid.Parse(v.r.PostFormValue("connection"))
	if err != nil {
		return errAddress
	}
	in := reconcile.Pair{Connection: connection, Entity: v.r.PostFormValue("entity"), RemoteID: strings.TrimSpace(v.r.PostFormValue("remote_id"))}
	if !slices.Contains(c.comparable(), crm.Kind(in.Entity)) || in.RemoteID == "" {
		return errAddress
	}
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		in.EntityID, err = c.meant(ctx, tx, crm.Kind(in.Entity), strings.TrimSpace(v.r.PostFormValue("which")))
		return err
	})
	if err != nil {
		return c.notLinked(ctx, v, err)
	}
	record, err := c.Reconciler.Ask(ctx, v.who.Principal, in) // no transaction is held while the other system thinks
	if err != nil {
		return c.notLinked(ctx, v, err)
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		_, err := c.Reconciler.Connect(ctx, tx, in, record)
		return err
	})
	if err != nil {
		return c.notLinked(ctx, v, err)
	}
	return v.done(linksPath+"?q="+url.QueryEscape(in.RemoteID), "linked")
}

func (c *Console) unlink(ctx context.Context, v *visit) error {
	id, err := v.id(link.ErrNotFound)
	if err != nil {
		return err
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		_, err := link.Disconnect(ctx, tx, id)
		return err
	})
	if err != nil {
		return c.notLinked(ctx, v, err)
	}
	return v.done(linksPath, "unlinked")
}

// notLinked shows the page with what speaks against it; other errors it returns.
func (c *Console) notLinked(ctx context.Context, v *visit, err error) error {
	var taken *link.TakenError
	var faults schema.Violations
	if !errors.As(err, &taken) && !errors.As(err, &faults) && !errors.Is(err, link.ErrBusy) && !errors.Is(err, crm.ErrNotFound) {
		return err
	}
	p, failed := c.links(ctx, v, url.Values{})
	if failed != nil {
		return failed
	}
	p.Refused, v.here = err.Error(), linksPath
	return v.write(http.StatusConflict, "links", p)
}
