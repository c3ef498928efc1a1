package console

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/privacy"
	"crmhub/core/schema"
)

const erasuresPath = "/erasures"

// erasePage asks why a person's data are to go, shows what would, and asks once more.
type erasePage struct {
	View   view
	Path   string // of the record
	Title  string
	Reason string
	Fault  string
	Shown  bool // what follows was counted
	Erased []counted
	Kept   []counted
}

// counted is how many there are of something.
type counted struct {
	What  string
	Count int64
}

func countedOf(all map[string]int64) []counted {
	var list []counted
	for _, what := range slices.Sorted(maps.Keys(all)) {
		list = append(list, counted{what, all[what]})
	}
	return list
}

// mayErase reports whether the visitor may erase entities of a kind: all of the organization's or none.
func (v *visit) mayErase(k crm.Kind) bool {
	return slices.Contains(privacy.Erasable(), k) && v.who.May(access.Resource(k), access.Erase) == postgres.ScopeOrganization
}

func (c *Console) askErase(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		p, err := v.erasePage(ctx, w)
		if err != nil {
			return err
		}
		return v.show("erase", p)
	}
}

func (v *visit) erasePage(ctx context.Context, w view) (*erasePage, error) {
	if !v.mayErase(w.kind) {
		return nil, errForbidden
	}
	id, err := v.id(crm.ErrNotFound)
	if err != nil {
		return nil, err
	}
	p := &erasePage{View: w, Path: w.Path() + "/" + id.String()}
	err = v.as(ctx, func(tx pgx.Tx) error {
		found, err := v.console.CRM.Get(ctx, tx, w.kind, []uuid.UUID{id})
		if err == nil && found[id] == nil {
			err = crm.ErrNotFound
		}
		if err == nil && !v.who.Hides(w.resource(), crm.TitleField(w.kind)) {
			p.Title = crm.Text(found[id], crm.TitleField(w.kind))
		}
		return err
	})
	return p, err
}

// erase shows what would go, or lets it.
func (c *Console) erase(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		p, err := v.erasePage(ctx, w)
		if err != nil {
			return err
		}
		v.here = p.Path
		do, err := v.choice("do", "preview", "erase")
		if err != nil {
			return err
		}
		id, err := v.id(crm.ErrNotFound)
		if err != nil {
			return err
		}
		eraser := privacy.Eraser{Entities: c.CRM}
		p.Reason = v.r.PostFormValue("reason")
		act := eraser.Preview
		if do == "erase" {
			act = eraser.Erase
		}
		done, err := get(ctx, v, func(tx pgx.Tx) (privacy.Erasure, error) {
			return act(ctx, tx, v.author().By, privacy.Request{Kind: w.kind, ID: id, Reason: p.Reason})
		})
		if fault := v.eraseFault(err); fault != "" {
			p.Fault = fault
			return v.write(http.StatusUnprocessableEntity, "erase", p)
		}
		if err != nil {
			return err
		}
		if do == "erase" {
			return v.done(erasuresPath+"/"+done.ID.String(), "erased")
		}
		p.Shown, p.Erased, p.Kept = true, countedOf(done.Erased), countedOf(done.Kept)
		return v.show("erase", p)
	}
}

// eraseFault says what the visitor can do about an error; "" where that is nothing.
func (v *visit) eraseFault(err error) string {
	if _, merged := errors.AsType[*privacy.MergedError](err); merged {
		return v.say("erase.merged")
	}
	if _, wrong := errors.AsType[schema.Violations](err); wrong {
		return v.say("erase.no_reason")
	}
	if errors.Is(err, privacy.ErrBusy) {
		return v.say("erase.busy")
	}
	return ""
}

type erasuresPage struct {
	pager
	Erasures []privacy.Erasure
}

func (c *Console) listErasures(ctx context.Context, v *visit) error {
	after := v.r.URL.Query().Get("after")
	found, err := get(ctx, v, func(tx pgx.Tx) (postgres.Page[privacy.Erasure], error) { return privacy.List(ctx, tx, after, pageSize) })
	if err != nil {
		return err
	}
	return v.show("erasures", erasuresPage{pagerOf(from(erasuresPath), after, found.Next), found.Items})
}

type erasurePage struct {
	privacy.Erasure

	Path   string // of what was erased
	Counts []counted
	Stay   []counted
	Told   []privacy.Told
}

func (c *Console) showErasure(ctx context.Context, v *visit) error {
	id, err := v.id(privacy.ErrNotFound)
	if err != nil {
		return crm.ErrNotFound
	}
	var p erasurePage
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		if p.Erasure, err = privacy.Get(ctx, tx, id); err != nil {
			return err
		}
		p.Told, err = privacy.ToldOf(ctx, tx, id)
		return err
	})
	if errors.Is(err, privacy.ErrNotFound) {
		return crm.ErrNotFound
	}
	if err != nil {
		return err
	}
	p.Path, p.Counts, p.Stay = "/"+p.Kind+"s/"+p.EntityID.String(), countedOf(p.Erased), countedOf(p.Kept)
	return v.show("erasure", p)
}
