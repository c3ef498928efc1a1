package console

import (
	"context"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/alert"
	"crmhub/core/schema"
)

// alertSettings is the form of what is worth an alert.
type alertSettings struct {
	Inputs  []input
	Kinds   []option // chosen: it is watched
	CanEdit bool
	Open    bool // it was refused
	Faults  []string
}

func (v *visit) alertSettings(ctx context.Context, tx pgx.Tx, wrong error) (*alertSettings, error) {
	q, err := v.questions(wrong)
	if err != nil {
		return nil, err
	}
	now, err := alert.GetSettings(ctx, tx)
	if err != nil {
		return nil, err
	}
	s := alertSettings{CanEdit: v.who.May(access.Alerts, access.Update) != "", Open: wrong != nil}
	for _, n := range []struct {
		name string
		is   int
	}{{"lag_minutes", now.LagMinutes}, {"dead_letters", now.DeadLetters}, {"conflicts", now.Conflicts}} {
		s.Inputs = append(s.Inputs, q.must(n.name, v.say("alert.setting."+n.name), "integer", strconv.Itoa(n.is)))
	}
	for _, k := range alert.Kinds {
		watched := !slices.Contains(now.Muted, k)
		if wrong != nil {
			watched = slices.Contains(v.r.Form["watched"], string(k))
		}
		s.Kinds = append(s.Kinds, option{string(k), v.say("alert.kind." + string(k)), watched})
	}
	s.Faults = q.rest()
	return &s, nil
}

func (c *Console) changeAlertSettings(ctx context.Context, v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	var s alert.Settings
	var vs schema.Violations
	for name, to := range map[string]*int{"lag_minutes": &s.LagMinutes, "dead_letters": &s.DeadLetters, "conflicts": &s.Conflicts} {
		n, err := strconv.Atoi(v.r.PostFormValue(name))
		if err != nil {
			vs = append(vs, schema.Violation{Pointer: "/" + name, Rule: "type", Message: "must be a whole number"})
		}
		*to = n
	}
	for _, k := range alert.Kinds {
		if !slices.Contains(v.r.Form["watched"], string(k)) {
			s.Muted = append(s.Muted, k)
		}
	}
	err := vs.Err()
	if err == nil {
		err = v.as(ctx, func(tx pgx.Tx) error {
			_, err := alert.UpdateSettings(ctx, tx, s)
			return err
		})
	}
	if err != nil {
		return v.writeAlerts(ctx, err)
	}
	return v.done(alertsPath, "saved")
}
