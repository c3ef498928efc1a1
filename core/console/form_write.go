package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/match"
	"crmhub/core/schema"
)

// newForm begins a form for a kind, with what its fields may be.
func (v *visit) newForm(ctx context.Context, tx pgx.Tx, w view) (*form, error) {
	f := &form{visit: v, view: w, doc: map[string]any{}, chosen: map[string]chosen{}, faults: map[string]string{}, gave: map[string]string{}}
	today, err := v.today(ctx, tx)
	if err != nil {
		return nil, err
	}
	f.day = crm.DateOf(today)
	if f.fields, err = v.entered(ctx, tx, w.kind); err != nil {
		return nil, err
	}
	known, err := v.everybody(ctx, tx)
	if err != nil {
		return nil, err
	}
	f.people = known.persons
	switch w.kind {
	case crm.KindOpportunity:
		if f.lines, err = v.pipelines(ctx, tx); len(f.lines) == 0 { // the first opportunity brings one along
			f.fields = slices.DeleteFunc(f.fields, func(fd field) bool { return fd.Refers == crm.KindPipeline })
		}
	case crm.KindSegment:
		f.conditions, err = v.conditionFields(ctx, tx, "")
	}
	return f, err
}

// begin is what a form for something new shows first: what is usual, and what the address says it is about.
func (f *form) begin(ctx context.Context, tx pgx.Tx) error {
	base, err := f.console.CRM.BaseCurrency(ctx, tx)
	if err != nil {
		return err
	}
	for _, fd := range f.fields {
		value := f.usual(fd)
		switch {
		case fd.Name == "currency":
			value = base
		case fd.Name == "owner_id":
			value = f.who.UserID.String()
		case f.view.kind == crm.KindTask && fd.Name == "due_at":
			value = f.tomorrow()
		case fd.Refers == crm.KindPipeline:
			for _, p := range f.lines {
				if p.IsDefault {
					value = p.ID.String()
				}
			}
		}
		if value != nil && !fd.custom() {
			f.doc[fd.Name] = value
		}
	}
	f.read(f.r.URL.Query())
	if err := errors.Join(f.find(ctx, tx), f.inherit(ctx, tx)); err != nil {
		return err
	}
	f.invite()
	return nil
}

// finish makes the page of the form, with what its references are called.
func (f *form) finish(ctx context.Context, tx pgx.Tx, p *formPage) error {
	var err error
	if f.names, err = f.name(ctx, tx, f.fields, f.doc, f.stored); err != nil {
		return err
	}
	p.Wrong = len(f.faults) > 0
	if p.New {
		p.Hidden = append(p.Hidden, f.taken()...)
	}
	f.page(p)
	return nil
}

// formNew asks for a new record.
func (c *Console) formNew(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		p := v.newPage(w)
		err := v.as(ctx, func(tx pgx.Tx) error {
			f, err := v.newForm(ctx, tx, w)
			if err != nil {
				return err
			}
			if err := f.begin(ctx, tx); err != nil {
				return err
			}
			return f.finish(ctx, tx, p)
		})
		if err != nil {
			return err
		}
		p.start()
		return v.show("form", p)
	}
}

func (v *visit) newPage(w view) *formPage {
	p := &formPage{View: w, Action: w.path(), Back: w.path(), New: true, Title: v.say("form.new", v.kindWord(w.kind))}
	if to := v.r.FormValue("to"); to != "" {
		p.Back = ownPath(to)
		p.Hidden = append(p.Hidden, option{Label: "to", Value: p.Back})
	}
	return p
}

// create stores a new record, or shows the form again with what stands in the way.
func (c *Console) create(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		if err := v.r.ParseForm(); err != nil {
			return errAddress
		}
		p := v.newPage(w)
		v.here = w.path() + "/new"
		var created crm.Entity
		shown, err := v.tryForm(ctx, p, w, func(ctx context.Context, tx pgx.Tx, f *form, _ []field) error {
			doc, _ := tidy(f.doc).(map[string]any)
			if doc == nil {
				doc = map[string]any{}
			}
			entity, err := c.editor.Read(v.author(), w.kind, doc)
			if err != nil {
				return err
			}
			created = entity
			refuse := match.Possible // who writes one by hand can look
			if v.r.Form.Has("accept") {
				refuse = ""
			}
			return c.editor.Create(ctx, tx, v.author(), entity, refuse)
		})
		if err != nil || shown {
			return err
		}
		notice := "created"
		switch v.r.PostFormValue("notice") {
		case "logged", "task_added":
			notice = v.r.PostFormValue("notice")
		}
		return v.done(v.backTo(w.path()+"/"+crm.HeadOf(created).ID.String()), notice)
	}
}

// formEdit asks for changes of a record.
func (c *Console) formEdit(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		id, err := v.id(crm.ErrNotFound)
		if err != nil {
			return err
		}
		p := &formPage{}
		err = v.as(ctx, func(tx pgx.Tx) error {
			f, err := v.newForm(ctx, tx, w)
			if err != nil {
				return err
			}
			stored, err := v.stored(ctx, tx, w, id)
			if err != nil {
				return err
			}
			if err := edit.Permit(v.who, stored, access.Update, access.Assign); err != nil {
				return err
			}
			if f.doc, err = v.document(stored); err != nil {
				return err
			}
			v.editPage(p, w, stored)
			return f.finish(ctx, tx, p)
		})
		if err != nil {
			return err
		}
		return v.show("form", p)
	}
}

// stored reads a record that may be changed.
func (v *visit) stored(ctx context.Context, tx pgx.Tx, w view, id uuid.UUID) (crm.Entity, error) {
	found, err := v.console.CRM.Get(ctx, tx, w.kind, []uuid.UUID{id})
	if err != nil {
		return nil, err
	}
	if e := found[id]; e != nil && crm.HeadOf(e).DeletedAt == nil {
		return e, nil
	}
	return nil, crm.ErrNotFound
}

func (v *visit) editPage(p *formPage, w view, stored crm.Entity) {
	h := crm.HeadOf(stored)
	p.Action = w.path() + "/" + h.ID.String()
	p.Back, p.Version = p.Action, h.Version
	p.Title = v.say("form.edit", v.kindWord(w.kind))
}

// update changes a record, or shows the form again with what stands in the way. Where somebody else has saved meanwhile,
// it shows both.
func (c *Console) update(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		id, err := v.id(crm.ErrNotFound)
		if err != nil {
			return err
		}
		if err := v.r.ParseForm(); err != nil {
			return errAddress
		}
		seen, err := strconv.ParseInt(v.r.PostFormValue("version"), 10, 64)
		if err != nil || seen < 1 {
			return errAddress
		}
		p := &formPage{}
		v.here = w.path() + "/" + id.String() + "/edit"
		shown, err := v.tryForm(ctx, p, w, func(ctx context.Context, tx pgx.Tx, f *form, asked []field) error {
			stored, err := v.stored(ctx, tx, w, id)
			if err != nil {
				return err
			}
			v.editPage(p, w, stored)
			before, err := crm.Document(stored)
			if err != nil {
				return err
			}
			if now := crm.HeadOf(stored).Version; now != seen {
				return &crm.StaleError{ID: id, Seen: seen, Stored: now}
			}
			if patch := f.patch(asked, before); len(patch) > 0 {
				if _, err := c.editor.Change(ctx, tx, v.author(), w.kind, id, seen, patch); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || shown {
			return err
		}
		return v.done(w.path()+"/"+id.String(), "saved")
	}
}

// tryForm reads what was entered and tries to save it. Where that cannot be, it shows the form again and says why, in a
// transaction of its own: the one that was to save may be broken. It reports whether it showed the form.
func (v *visit) tryForm(ctx context.Context, p *formPage, w view, save func(context.Context, pgx.Tx, *form, []field) error) (shown bool, err error) {
	var f *form
	unready, asking := false, false
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		if f, err = v.newForm(ctx, tx, w); err != nil {
			return err
		}
		asked := f.read(v.r.Form)
		asking = f.do(v.r.PostFormValue("do"))
		if err := f.find(ctx, tx); err != nil {
			return err
		}
		if asking && p.New { // what is saved is what was seen
			if err := f.follow(ctx, tx); err != nil {
				return err
			}
		}
		if err := f.learn(ctx, tx, false); err != nil {
			return err
		}
		if unready = asking || len(f.chosen) > 0; unready {
			return nil
		}
		for _, fd := range asked {
			if items, _ := tidy(f.doc[fd.Name]).([]any); fd.Type == "list" {
				items = slices.DeleteFunc(items, func(row any) bool { return f.untouched(fd, row) })
				f.doc[fd.Name] = append([]any{}, items...) // faults name rows that hold something
			}
		}
		if vs := f.unpriced(); len(vs) > 0 {
			return vs
		}
		return save(ctx, tx, f, asked)
	})
	status := http.StatusUnprocessableEntity
	var (
		vs    schema.Violations
		dup   *edit.DuplicateError
		stale *crm.StaleError
	)
	switch {
	case errors.As(err, &vs):
		f.blame(vs)
	case errors.As(err, &dup):
		status, p.Matches = http.StatusConflict, v.matches(w.kind, dup.Matches)
	case errors.As(err, &stale):
		status = http.StatusConflict
	case err != nil:
		return false, err
	case asking:
		status = http.StatusOK
	case !unready:
		return false, nil
	}
	if err := v.as(ctx, func(tx pgx.Tx) error { return v.showAgain(ctx, tx, p, f, stale != nil) }); err != nil {
		return true, err
	}
	return true, v.write(status, "form", p)
}

// showAgain completes the page of a form that was not saved, with what is stored of what it is about.
func (v *visit) showAgain(ctx context.Context, tx pgx.Tx, p *formPage, f *form, stale bool) error {
	if id, err := v.id(crm.ErrNotFound); err == nil {
		stored, err := v.stored(ctx, tx, f.view, id)
		if err != nil {
			return err
		}
		seen := v.r.PostFormValue("version")
		v.editPage(p, f.view, stored)
		doc, err := v.document(stored)
		if err != nil {
			return err
		}
		if stale {
			f.stored = doc
			known, err := v.everybody(ctx, tx)
			if err != nil {
				return err
			}
			p.StaleBy, p.StaleAt = v.actor(crm.HeadOf(stored).UpdatedBy, known), crm.HeadOf(stored).UpdatedAt
		} else if n, err := strconv.ParseInt(seen, 10, 64); err == nil {
			p.Version = n // of what the reader has seen, not of what is there now
		}
		for name, value := range doc { // what the form did not ask for
			if _, entered := f.doc[name]; !entered {
				f.doc[name] = value
			}
		}
	}
	if p.New {
		f.invite()
	}
	return f.finish(ctx, tx, p)
}

// kindWord is what one of a kind is called within a sentence.
func (v *visit) kindWord(k crm.Kind) string {
	return inSentence(v.lang, v.say("state.entity."+string(k)))
}
