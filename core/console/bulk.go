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
	"crmhub/core/duplicate"
	"crmhub/core/edit"
	"crmhub/core/schema"
	"crmhub/core/sheet"
	"crmhub/core/transfer"
	"crmhub/core/upkeep"
)

// bulkMost is how many records something is done with at once; a page of a list has fewer.
const bulkMost = 100

// bulkOffer is what the visitor may do with the records that he chooses in a list.
type bulkOffer struct {
	Owners  []option // whom he may give them to
	Moves   []option // statuses they may get
	Tags    bool
	Delete  bool
	Restore bool
	Release bool // into the pool
	Merge   bool // two of them
	Export  bool
}

// Some reports whether there is anything.
func (o bulkOffer) Some() bool {
	return len(o.Owners) > 0 || len(o.Moves) > 0 || o.Tags || o.Delete || o.Restore || o.Release || o.Merge || o.Export
}

// offerBulk says what the visitor may do with records of a list; with which of them each record tells.
func (v *visit) offerBulk(l *listPage, fields []field, people []access.Person) bulkOffer {
	k, r := l.View.kind, l.View.resource()
	may := func(a access.Action) bool { return v.who.May(r, a) != "" }
	if l.Bin {
		return bulkOffer{Restore: may(access.Delete)}
	}
	o := bulkOffer{Delete: may(access.Delete), Merge: may(access.Merge) && slices.Contains(duplicate.Mergeable(), k), Export: l.Exports}
	for _, f := range fields {
		editable := v.who.Field(r, f.Name) == access.FieldEdit
		switch {
		case f.Name == "owner_id" && crm.Owned(k) && may(access.Assign) && editable:
			o.Owners = v.assignable(k, people)
		case f.Name == "tags" && f.Type == "texts":
			o.Tags = may(access.Update) && editable
		case f.Name == "status" && crm.Transitions(k) != nil && needs(r, edit.MoveActions(k)...).met(v.who) && editable:
			for _, status := range f.Enum {
				o.Moves = append(o.Moves, option{Value: status, Label: v.word(f, status)})
			}
		}
	}
	o.Release = k == crm.KindCustomer && v.who.May(access.Pool, access.Claim) != ""
	return o
}

// assignable are the people to whom the visitor may give records of a kind.
func (v *visit) assignable(k crm.Kind, people []access.Person) (options []option) {
	reach := v.who.Owners(access.Resource(k), access.Assign)
	for _, p := range people {
		if !p.Disabled && (reach == nil || slices.Contains(reach, p.ID)) {
			options = append(options, option{Value: p.ID.String(), Label: p.Name})
		}
	}
	return options
}

// bulk does one thing with the records chosen in a list. Each is decided by itself: what was refused stops no other and is
// said beside its reason.
func (c *Console) bulk(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		if err := v.r.ParseForm(); err != nil {
			return errAddress
		}
		back, err := url.ParseQuery(v.r.PostFormValue("query"))
		if err != nil {
			return errAddress
		}
		ids, err := idsOf(v.r.Form["id"])
		if err != nil || len(ids) > bulkMost {
			return errAddress
		}
		l := listPage{View: w, asked: firsts(back)}
		do := v.r.PostFormValue("do")
		if len(ids) == 0 || do == "" {
			return v.done(l.with("after", l.asked.Get("after")), "bulk_nothing")
		}
		if format, ok := strings.CutPrefix(do, "export-"); ok {
			return v.exportChosen(ctx, w, l.asked, ids, sheet.Format(format))
		}
		if do == "merge" {
			return v.mergeChosen(&l, ids)
		}
		err = v.as(ctx, func(tx pgx.Tx) error {
			if do == "release" {
				return v.releaseChosen(ctx, tx, &l, ids)
			}
			act, err := v.bulkAct(w, do)
			if err != nil {
				return err
			}
			return v.each(ctx, tx, &l, ids, act)
		})
		if err != nil {
			return err
		}
		if len(l.Refused) == 0 {
			return v.done(l.with("after", l.asked.Get("after")), "bulk_done")
		}
		v.here = l.Path()
		return c.writeList(ctx, v, http.StatusUnprocessableEntity, &l)
	}
}

// act does something with a stored record.
type act func(ctx context.Context, tx pgx.Tx, stored crm.Entity) error

// bulkAct is what the form asks to be done.
func (v *visit) bulkAct(w view, do string) (act, error) {
	e, author := v.console.editor, v.author()
	change := func(patch map[string]any) act {
		return func(ctx context.Context, tx pgx.Tx, stored crm.Entity) error {
			_, err := e.Change(ctx, tx, author, w.kind, crm.HeadOf(stored).ID, 0, patch)
			return err
		}
	}
	switch do {
	case "assign":
		owner, err := uuid.Parse(v.r.PostFormValue("owner"))
		if err != nil || !crm.Owned(w.kind) {
			return nil, errAddress
		}
		return change(map[string]any{"owner_id": owner.String()}), nil
	case "tag":
		tag := strings.TrimSpace(v.r.PostFormValue("tag"))
		if tag == "" {
			return nil, errAddress
		}
		return func(ctx context.Context, tx pgx.Tx, stored crm.Entity) error {
			doc, err := crm.Document(stored)
			if err != nil {
				return err
			}
			tags, _ := doc["tags"].([]any)
			if slices.Contains(tags, any(tag)) {
				return nil
			}
			return change(map[string]any{"tags": append(slices.Clone(tags), tag)})(ctx, tx, stored)
		}, nil
	case "move":
		status := v.r.PostFormValue("status")
		if crm.Transitions(w.kind) == nil || status == "" {
			return nil, errAddress
		}
		return func(ctx context.Context, tx pgx.Tx, stored crm.Entity) error {
			_, err := e.Move(ctx, tx, author, w.kind, crm.HeadOf(stored).ID, 0, map[string]any{"status": status})
			return err
		}, nil
	case "delete":
		return func(ctx context.Context, tx pgx.Tx, stored crm.Entity) error {
			return e.Delete(ctx, tx, author, w.kind, crm.HeadOf(stored).ID, 0)
		}, nil
	case "restore":
		return func(ctx context.Context, tx pgx.Tx, stored crm.Entity) error {
			_, err := e.Restore(ctx, tx, author, w.kind, crm.HeadOf(stored).ID, 0)
			return err
		}, nil
	}
	return nil, errAddress
}

// each does something with each of some records, behind a savepoint of its own.
func (v *visit) each(ctx context.Context, tx pgx.Tx, l *listPage, ids []uuid.UUID, do act) error {
	stored, err := v.console.CRM.Get(ctx, tx, l.View.kind, ids)
	if err != nil {
		return err
	}
	fields, err := v.fields(ctx, tx, l.View.kind)
	if err != nil {
		return err
	}
	for _, id := range ids {
		e := stored[id]
		if e == nil {
			l.refuse(v.say("state.entity."+string(l.View.kind)), v.say("bulk.gone"))
			continue
		}
		err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return do(ctx, tx, e) })
		var vs schema.Violations
		var not *edit.ForbiddenError
		switch {
		case err == nil:
			l.Done++
			continue
		case errors.As(err, &vs):
			l.refuse(v.nameOf(l.View, e), v.violation(vs[0], fields))
		case errors.As(err, &not):
			l.refuse(v.nameOf(l.View, e), v.say("error.forbidden.text"))
		case errors.Is(err, crm.ErrNotFound), errors.Is(err, crm.ErrStale):
			l.refuse(v.nameOf(l.View, e), v.say("bulk.gone"))
		default:
			return err
		}
	}
	return nil
}

// nameOf is what a record is called, as far as the visitor may know.
func (v *visit) nameOf(w view, e crm.Entity) string {
	doc, err := v.document(e)
	if err != nil {
		return v.say("state.entity." + string(w.kind))
	}
	return v.titleOf(w, doc, &names{}, nil)
}

// refuse notes that something was refused, together with what was refused for the same reason.
func (l *listPage) refuse(name, why string) {
	if i := slices.IndexFunc(l.Refused, func(r refused) bool { return r.Why == why }); i >= 0 {
		l.Refused[i].Names = append(l.Refused[i].Names, name)
		return
	}
	l.Refused = append(l.Refused, refused{Names: []string{name}, Why: why})
}

// releaseChosen puts customers into the pool, as far as the visitor may give them up.
func (v *visit) releaseChosen(ctx context.Context, tx pgx.Tx, l *listPage, ids []uuid.UUID) error {
	if l.View.kind != crm.KindCustomer || v.who.May(access.Pool, access.Claim) == "" {
		return errForbidden
	}
	verdicts, err := v.console.upkeep.Release(ctx, tx, v.author().By, ids, strings.TrimSpace(v.r.PostFormValue("reason")), v.mayRelease)
	if err != nil {
		return err
	}
	stored, err := v.console.CRM.Get(ctx, tx, crm.KindCustomer, ids)
	if err != nil {
		return err
	}
	for _, verdict := range verdicts {
		if verdict.Done {
			l.Done++
			continue
		}
		name := v.say("state.entity." + string(crm.KindCustomer))
		if e := stored[verdict.ID]; e != nil {
			name = v.nameOf(l.View, e)
		}
		l.refuse(name, v.refusalWords(verdict.Refusal))
	}
	return nil
}

// mayRelease reports whether the visitor may give up a customer of an owner.
func (v *visit) mayRelease(owner *uuid.UUID) bool {
	r := access.Resource(crm.KindCustomer)
	return v.who.Covers(r, access.Update, owner) || v.who.Covers(r, access.Assign, owner)
}

// refusalWords say why the pool refuses something.
func (v *visit) refusalWords(r *upkeep.Refusal) string {
	if v.lang != "en" { // the store speaks English
		return v.say("pool.refusal." + string(r.Code))
	}
	return r.Why + " " + r.Help
}

// exportChosen makes a file of the chosen records.
func (v *visit) exportChosen(ctx context.Context, w view, asked url.Values, ids []uuid.UUID, format sheet.Format) error {
	if format != sheet.CSV && format != sheet.XLSX {
		return errAddress
	}
	if v.who.May(w.resource(), access.Export) == "" {
		return errForbidden
	}
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	var e transfer.Export
	err := v.as(ctx, func(tx pgx.Tx) error {
		fields, err := v.fields(ctx, tx, w.kind)
		if err != nil {
			return err
		}
		q := crm.Query{Filter: []crm.Condition{{Field: "id", Op: crm.OpIn, Value: texts}}}
		e, err = v.export(ctx, tx, w, q, v.exportColumns(w, fields, asked), format, url.Values{"id[in]": {strings.Join(texts, ",")}})
		return err
	})
	if err != nil {
		return err
	}
	return v.done("/exports/"+e.ID.String(), "exporting")
}
