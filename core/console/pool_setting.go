package console

import (
	"context"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/schema"
	"crmhub/core/upkeep"
)

// poolRulesPage is the data of the page of the pool's rules, limits and hour.
type poolRulesPage struct {
	upkeep.PoolSettings
	Rules    []ruleRow
	Limits   []limitRow
	NewLimit limitForm
	Hours    []input
	Faults   []string
}

// ruleRow is a rule as a list shows it.
type ruleRow struct {
	upkeep.RecycleRule
	When  string // what makes a customer due
	For   string // whom it applies to
	Keeps string // what keeps a customer
}

// limitRow is a limit as a list shows it, and the form that changes it.
type limitRow struct {
	upkeep.PoolLimit
	Whose string
	Form  limitForm
	Open  bool // it was refused
}

// limitForm asks for a limit.
type limitForm struct {
	Inputs  []input
	Refused []string
}

func (c *Console) listRules(ctx context.Context, v *visit) error {
	return v.writeRules(ctx, "", nil)
}

// What a form of the page was about that was refused: the settings, a new limit, or the limit with an id.
const (
	aboutSettings = "settings"
	aboutNewLimit = "new"
)

// writeRules shows how the pool works, and what is wrong with a form about a part of it.
func (v *visit) writeRules(ctx context.Context, about string, wrong error) error {
	refused, err := v.questions(wrong)
	if err != nil {
		return err
	}
	ask := func(part string) *questions {
		if part == about {
			return refused
		}
		return &questions{visit: v}
	}
	o, err := v.order(ctx)
	if err != nil {
		return err
	}
	var p poolRulesPage
	err = v.as(ctx, func(tx pgx.Tx) error {
		if p.PoolSettings, err = v.console.upkeep.Settings(ctx, tx); err != nil {
			return err
		}
		rules, err := v.console.upkeep.Rules(ctx, tx)
		if err != nil {
			return err
		}
		for _, r := range rules {
			p.Rules = append(p.Rules, v.ruleRow(r, o))
		}
		limits, err := v.console.upkeep.Limits(ctx, tx)
		if err != nil {
			return err
		}
		known, err := v.everybody(ctx, tx)
		if err != nil {
			return err
		}
		for _, l := range limits {
			row := limitRow{PoolLimit: l, Whose: v.say("pool.limit.everybody"), Open: about == l.ID.String()}
			switch {
			case l.UserID != nil:
				row.Whose = known.people[l.UserID.String()]
			case l.Role != "":
				row.Whose = v.say("pool.limit.role", o.roleName(l.Role))
			}
			q := ask(l.ID.String())
			row.Form = limitForm{Inputs: q.quota(l.Quota, l.ID.String()), Refused: q.rest()}
			p.Limits = append(p.Limits, row)
		}
		q := ask(aboutNewLimit)
		whose := []option{{"", v.say("pool.limit.everybody"), false}}
		for _, r := range o.roles {
			whose = append(whose, option{Value: "role:" + r.Code, Label: v.say("pool.limit.role", r.Name)})
		}
		for _, person := range people(known.persons, "") {
			whose = append(whose, option{Value: "user:" + person.Value, Label: person.Label})
		}
		p.NewLimit.Inputs = append([]input{q.choose("whose", v.say("target.whose"), "", whose)}, q.quota(upkeep.Quota{}, "new")...)
		p.NewLimit.Refused = q.rest()
		return nil
	})
	if err != nil {
		return err
	}
	q := ask(aboutSettings)
	zone := q.must("time_zone", v.say("pool.time_zone"), "text", p.TimeZone)
	zone.Hint = v.say("job.time_zone_hint")
	p.Hours = []input{zone, q.must("recycle_hour", v.say("pool.hour"), "integer", strconv.Itoa(p.RecycleHour))}
	p.Faults = q.rest()
	v.here = poolRulesPath
	return v.writeForm("pool-rules", p, wrong)
}

// quota asks for the numbers of a limit; key tells these inputs from those of other limits.
func (q *questions) quota(now upkeep.Quota, key string) []input {
	ask := func(name, label string, n *int) input {
		text := ""
		if n != nil {
			text = strconv.Itoa(*n)
		}
		in := q.ask(name, label, "integer", text)
		in.ID += "-" + key
		return in
	}
	return []input{
		ask("max_owned", q.say("pool.limit.max_owned"), now.MaxOwned), ask("claims_per_day", q.say("pool.limit.claims_per_day"), now.ClaimsPerDay),
		ask("cooldown_days", q.say("pool.limit.cooldown_days"), now.CooldownDays),
	}
}

// roleName is what a role is called.
func (o order) roleName(code string) string {
	for _, r := range o.roles {
		if r.Code == code {
			return r.Name
		}
	}
	return code
}

func (v *visit) ruleRow(r upkeep.RecycleRule, o order) ruleRow {
	row := ruleRow{RecycleRule: r, When: v.say("pool.rule.when."+string(r.Basis), r.Days)}
	list := v.say("pool.rule.and")
	var to, keeps []string
	for _, f := range v.describe(string(crm.KindCustomer), crm.Fields(crm.KindCustomer)) {
		for name, values := range map[string][]string{"lifecycle": r.Lifecycles, "level": r.Levels} {
			if f.Name == name {
				for _, s := range values {
					to = append(to, v.word(f, s))
				}
			}
		}
	}
	to = append(to, r.Tags...)
	if r.DepartmentID != nil {
		to = append(to, o.place(*r.DepartmentID))
	}
	for _, k := range r.Keeps {
		keeps = append(keeps, v.say("pool.keep."+string(k)))
	}
	keeps = append(keeps, r.KeepTags...)
	row.For, row.Keeps = strings.Join(to, list), strings.Join(keeps, list)
	return row
}

// setPool changes the hour at which the rules are applied.
func (c *Console) setPool(ctx context.Context, v *visit) error {
	hour, vs := wholeNumber("recycle_hour", v.r.PostFormValue("recycle_hour"))
	if hour == nil && vs == nil {
		vs = schema.Violations{{Pointer: "/recycle_hour", Rule: "required", Message: "must be 0 to 23"}}
	}
	err := vs.Err()
	if err == nil {
		err = v.as(ctx, func(tx pgx.Tx) error {
			_, err := c.upkeep.UpdateSettings(ctx, tx, upkeep.PoolSettings{TimeZone: strings.TrimSpace(v.r.PostFormValue("time_zone")), RecycleHour: *hour})
			return err
		})
	}
	return v.poolDone(ctx, aboutSettings, err, "saved")
}

// recycleNow lets the rules be applied in a moment.
func (c *Console) recycleNow(ctx context.Context, v *visit) error {
	err := v.as(ctx, func(tx pgx.Tx) error {
		_, err := c.upkeep.RecycleNow(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	return v.done("/pool/log", "recycling")
}

func (c *Console) addLimit(ctx context.Context, v *visit) error {
	quota, err := v.enteredQuota()
	if err == nil {
		var user *uuid.UUID
		var role string
		kind, s, _ := strings.Cut(v.r.PostFormValue("whose"), ":")
		switch kind {
		case "role":
			role = s
		case "user":
			id, err := uuid.Parse(s)
			if err != nil {
				return errAddress
			}
			user = &id
		}
		err = v.as(ctx, func(tx pgx.Tx) error {
			_, err := c.upkeep.AddLimit(ctx, tx, user, role, quota)
			return err
		})
	}
	return v.poolDone(ctx, aboutNewLimit, err, "saved")
}

func (c *Console) changeLimit(ctx context.Context, v *visit) error {
	id, err := v.id(upkeep.ErrNotFound)
	if err != nil {
		return err
	}
	quota, err := v.enteredQuota()
	if err == nil {
		err = v.as(ctx, func(tx pgx.Tx) error {
			_, err := c.upkeep.UpdateLimit(ctx, tx, id, quota)
			return err
		})
	}
	return v.poolDone(ctx, id.String(), err, "saved")
}

func (c *Console) removeLimit(ctx context.Context, v *visit) error {
	id, err := v.id(upkeep.ErrNotFound)
	if err != nil {
		return err
	}
	if err := v.as(ctx, func(tx pgx.Tx) error { return c.upkeep.RemoveLimit(ctx, tx, id) }); err != nil {
		return err
	}
	return v.done(poolRulesPath, "deleted_for_good")
}

// enteredQuota reads the numbers of a limit; an empty one limits nothing.
func (v *visit) enteredQuota() (q upkeep.Quota, err error) {
	var vs schema.Violations
	for name, to := range map[string]**int{"max_owned": &q.MaxOwned, "claims_per_day": &q.ClaimsPerDay, "cooldown_days": &q.CooldownDays} {
		n, broken := wholeNumber(name, v.r.PostFormValue(name))
		*to, vs = n, append(vs, broken...)
	}
	if len(vs) == 0 && q == (upkeep.Quota{}) {
		vs = schema.Violations{{Pointer: "/max_owned", Rule: "required", Message: "must be there, or one of the others"}}
	}
	return q, vs.Sort().Err()
}

// poolDone ends an action on the page of rules and limits, or shows the page with what is wrong.
func (v *visit) poolDone(ctx context.Context, about string, err error, notice string) error {
	if err != nil {
		return v.writeRules(ctx, about, err)
	}
	return v.done(poolRulesPath, notice)
}

// poolPages are those of the pool.
func (c *Console) poolPages() map[string]page {
	read, update := needs(access.Pool, access.Read), needs(access.Pool, access.Update)
	return map[string]page{
		"GET /pool":                     {read, c.showPool},
		"POST /pool/claim":              {needs(access.Pool, access.Claim), c.claim},
		"POST /pool/assign":             {needs(access.Resource(crm.KindCustomer), access.Assign), c.assign},
		"GET /pool/due":                 {read, c.listDue},
		"GET /pool/log":                 {read, c.listPoolLog},
		"POST /pool/settings":           {update, c.setPool},
		"POST /pool/recycle":            {needs(access.Pool, access.Run), c.recycleNow},
		"GET /pool/rules":               {read, c.listRules},
		"GET /pool/rules/new":           {needs(access.Pool, access.Create), c.newRule},
		"POST /pool/rules":              {needs(access.Pool, access.Create), c.saveRule},
		"GET /pool/rules/{id}":          {read, c.showRule},
		"POST /pool/rules/{id}":         {update, c.saveRule},
		"POST /pool/rules/{id}/active":  {update, c.switchRule},
		"POST /pool/rules/{id}/delete":  {needs(access.Pool, access.Delete), c.removeRule},
		"POST /pool/limits":             {needs(access.Pool, access.Create), c.addLimit},
		"POST /pool/limits/{id}":        {update, c.changeLimit},
		"POST /pool/limits/{id}/delete": {needs(access.Pool, access.Delete), c.removeLimit},
	}
}
