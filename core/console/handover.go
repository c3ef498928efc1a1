package console

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/schema"
	"crmhub/core/upkeep"
)

// handOverForm asks to whom goes what a user owns, and says what that is.
type handOverForm struct {
	To       input
	OpenOnly bool
	Asked    bool // the counts below were asked for
	Parts    []handOverPart
	Refused  bool // of some of them the visitor may not
}

// fillHandOver offers handing over on the page of a user, and tells of what was handed over.
func (v *visit) fillHandOver(ctx context.Context, p *userPage) error {
	if !needsSome(access.Assign).met(v.who) {
		return nil
	}
	return v.as(ctx, func(tx pgx.Tx) error {
		known, err := v.everybody(ctx, tx)
		if err != nil {
			return err
		}
		var to []option
		for _, o := range people(known.persons, "") {
			if o.Value != p.ID.String() {
				to = append(to, o)
			}
		}
		q := &questions{visit: v, faults: map[string]string{}}
		p.HandOver = &handOverForm{To: q.choose("to", v.say("handover.to"), "", append([]option{{Label: v.say("form.choose")}}, to...))}
		p.HandOvers, err = v.handOverRows(ctx, tx, p.ID, known)
		return err
	})
}

// handOver counts what would go over, or lets it.
func (c *Console) handOver(ctx context.Context, v *visit) error {
	p, err := v.userPage(ctx, nil)
	if err != nil {
		return err
	}
	v.here = p.Path
	form := p.HandOver
	form.OpenOnly, form.Asked = v.r.PostFormValue("open_only") == "true", true
	wish := upkeep.Wish{From: p.ID, OpenOnly: form.OpenOnly}
	if wish.To, err = uuid.Parse(v.r.PostFormValue("to")); err != nil {
		form.To.Fault, form.Asked = v.say("handover.choose"), false
		return v.write(http.StatusUnprocessableEntity, "user", p)
	}
	form.To.Options = chosenOf(form.To.Options, wish.To.String())
	begun := false
	err = v.as(ctx, func(tx pgx.Tx) error {
		parts, err := c.upkeep.PlanHandOver(ctx, tx, wish)
		if err != nil {
			return err
		}
		known, err := v.everybody(ctx, tx)
		if err != nil {
			return err
		}
		for _, part := range parts {
			permitted := upkeep.MayHandOver(v.who.Permissions, part.Kind, wish.From, part.ToUserID)
			form.Refused = form.Refused || !permitted
			form.Parts = append(form.Parts, handOverPart{part, known.people[part.ToUserID.String()], permitted})
		}
		if v.r.PostFormValue("do") != "go" || len(parts) == 0 {
			return nil
		}
		if form.Refused {
			return errForbidden
		}
		_, err = c.upkeep.BeginHandOver(ctx, tx, wish, parts, "")
		begun = err == nil
		return err
	})
	if vs := schema.Violations(nil); errors.As(err, &vs) {
		form.To.Fault = v.violation(vs[0], nil)
		return v.write(http.StatusUnprocessableEntity, "user", p)
	}
	if err != nil {
		return err
	}
	if begun {
		return v.done(p.Path, "handing_over")
	}
	return v.write(http.StatusOK, "user", p)
}

// cancelHandOver ends a hand-over; what was handed over by then stays so.
func (c *Console) cancelHandOver(ctx context.Context, v *visit) error {
	id, err := v.id(upkeep.ErrNotFound)
	if err != nil {
		return err
	}
	var h upkeep.HandOver
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		if h, err = c.upkeep.HandOver(ctx, tx, id); err != nil {
			return err
		}
		if h.CreatedBy != string(v.who.Principal.Actor) && v.who.May(access.Users, access.Update) != access.Scope("organization") {
			return upkeep.ErrNotFound
		}
		_, err = c.upkeep.CancelHandOver(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	return v.done(usersPath+"/"+h.FromUserID.String(), "cancelled_hand_over")
}
