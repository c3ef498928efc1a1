package console

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/schema"
	"crmhub/core/upkeep"
)

const poolRulesPath = "/pool/rules"

// rulePage is the data of the page of a recycle rule.
type rulePage struct {
	upkeep.Terms
	Path       string
	New        bool
	CanEdit    bool
	Main       []input
	Narrow     []checks // to whom it applies
	Keep       []checks // what keeps a customer
	Department input
	Tags       input
	KeepTags   input
	Faults     []string
}

// checks are some of a few values.
type checks struct {
	Name, Label string
	Options     []option
}

func (c *Console) newRule(ctx context.Context, v *visit) error {
	return v.writeRule(ctx, uuid.Nil, upkeep.Terms{
		IsActive: true, Basis: upkeep.SinceContact, Days: 60, WarnDays: 7, Keeps: []upkeep.Keep{upkeep.KeepOpenOpportunity, upkeep.KeepOpenOrder, upkeep.KeepPlannedContact},
	}, nil)
}

func (c *Console) showRule(ctx context.Context, v *visit) error {
	id, rule, err := v.rule(ctx)
	if err != nil {
		return err
	}
	return v.writeRule(ctx, id, rule.Terms, nil)
}

// rule reads the one in the address.
func (v *visit) rule(ctx context.Context) (id uuid.UUID, rule upkeep.RecycleRule, err error) {
	if id, err = v.id(upkeep.ErrNotFound); err != nil {
		return id, rule, err
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		rule, err = v.console.upkeep.Rule(ctx, tx, id)
		return err
	})
	return id, rule, err
}

// writeRule shows a rule, and what is wrong with what was entered; the nil UUID is a new one.
func (v *visit) writeRule(ctx context.Context, id uuid.UUID, t upkeep.Terms, wrong error) error {
	q, err := v.questions(wrong)
	if err != nil {
		return err
	}
	departments, err := v.console.Access.Departments(ctx, v.who.Principal)
	if err != nil {
		return err
	}
	p := rulePage{Terms: t, New: id == uuid.Nil, Path: poolRulesPath, CanEdit: v.who.May(access.Pool, access.Update) != ""}
	if p.New {
		p.CanEdit = true // or the page would not be there
	} else {
		p.Path += "/" + id.String()
	}
	var bases []option
	for _, b := range upkeep.Bases() {
		bases = append(bases, option{Value: string(b), Label: v.say("pool.basis." + string(b))})
	}
	warn := q.ask("warn_days", v.say("pool.rule.warn_days"), "integer", strconv.Itoa(t.WarnDays))
	warn.Hint = v.say("pool.rule.warn_hint")
	p.Main = []input{
		q.must("name", v.say("name"), "text", t.Name), q.choose("basis", v.say("pool.rule.basis"), string(t.Basis), bases),
		q.must("days", v.say("pool.rule.days"), "integer", strconv.Itoa(t.Days)), warn,
		q.ask("is_active", v.say("pool.rule.active"), "check", strconv.FormatBool(t.IsActive)),
	}
	for _, f := range v.describe(string(crm.KindCustomer), crm.Fields(crm.KindCustomer)) {
		switch f.Name {
		case "lifecycle":
			p.Narrow = append(p.Narrow, checksOf("lifecycles", f.label, f.Enum, t.Lifecycles, func(s string) string { return v.word(f, s) }))
		case "level":
			p.Narrow = append(p.Narrow, checksOf("levels", f.label, f.Enum, t.Levels, func(s string) string { return v.word(f, s) }))
		}
	}
	p.Keep = append(p.Keep, checksOf("keeps", v.say("pool.rule.keeps"), textsOf(upkeep.Keeps()), textsOf(t.Keeps), func(s string) string { return v.say("pool.keep." + s) }))
	department := ""
	if t.DepartmentID != nil {
		department = t.DepartmentID.String()
	}
	p.Department = q.choose("department_id", v.say("pool.rule.department"), department, order{departments: departments}.departmentOptions(v.say("pool.rule.any_department")))
	p.Tags = q.ask("tags", v.say("pool.rule.tags"), "tags", strings.Join(t.Tags, ", "))
	p.KeepTags = q.ask("keep_tags", v.say("pool.rule.keep_tags"), "tags", strings.Join(t.KeepTags, ", "))
	p.Faults = q.rest()
	v.here = poolRulesPath
	return v.writeForm("pool-rule", p, wrong)
}

// checksOf offers all values, of which some are chosen.
func checksOf(name, label string, all, chosen []string, words func(string) string) checks {
	c := checks{Name: name, Label: label}
	for _, s := range all {
		c.Options = append(c.Options, option{s, words(s), slices.Contains(chosen, s)})
	}
	return c
}

// saveRule makes a recycle rule, or changes the one in the address.
func (c *Console) saveRule(ctx context.Context, v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	id := uuid.Nil
	if v.r.PathValue("id") != "" {
		var err error
		if id, err = v.id(upkeep.ErrNotFound); err != nil {
			return err
		}
	}
	t, err := v.enteredTerms()
	if err == nil {
		err = v.as(ctx, func(tx pgx.Tx) (err error) {
			if id == uuid.Nil {
				_, err = c.upkeep.AddRule(ctx, tx, t)
			} else {
				_, err = c.upkeep.UpdateRule(ctx, tx, id, t)
			}
			return err
		})
	}
	if err != nil {
		return v.writeRule(ctx, id, t, err)
	}
	return v.done(poolRulesPath, "saved")
}

// enteredTerms reads the form of a rule.
func (v *visit) enteredTerms() (t upkeep.Terms, err error) {
	form := v.r.Form
	t = upkeep.Terms{
		Name: form.Get("name"), IsActive: slices.Contains(form["is_active"], "true"), Basis: upkeep.Basis(form.Get("basis")),
		Lifecycles: form["lifecycles"], Levels: form["levels"], Tags: tagsOf(form.Get("tags")), KeepTags: tagsOf(form.Get("keep_tags")),
	}
	for _, k := range form["keeps"] {
		t.Keeps = append(t.Keeps, upkeep.Keep(k))
	}
	if s := form.Get("department_id"); s != "" {
		id, err := uuid.Parse(s)
		if err != nil {
			return t, errAddress
		}
		t.DepartmentID = &id
	}
	var vs schema.Violations
	for name, to := range map[string]*int{"days": &t.Days, "warn_days": &t.WarnDays} {
		n, broken := wholeNumber(name, form.Get(name))
		vs = append(vs, broken...)
		if n != nil {
			*to = *n
		}
	}
	return t, vs.Sort().Err()
}

// tagsOf reads texts between commas.
func tagsOf(s string) []string {
	var tags []string
	for _, t := range texts(s) {
		tag, _ := t.(string)
		tags = append(tags, tag)
	}
	return tags
}

// wholeNumber reads a number that was entered; nil where nothing was.
func wholeNumber(name, text string) (*int, schema.Violations) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil, schema.Violations{{Pointer: "/" + name, Rule: "type", Message: "must be a whole number"}}
	}
	return &n, nil
}

// switchRule lets a rule count, or no more.
func (c *Console) switchRule(ctx context.Context, v *visit) error {
	id, rule, err := v.rule(ctx)
	if err != nil {
		return err
	}
	to, err := v.choice("active", "true", "false")
	if err != nil {
		return err
	}
	rule.IsActive = to == "true"
	err = v.as(ctx, func(tx pgx.Tx) error {
		_, err := c.upkeep.UpdateRule(ctx, tx, id, rule.Terms)
		return err
	})
	if err != nil {
		return err
	}
	return v.done(poolRulesPath, "saved")
}

func (c *Console) removeRule(ctx context.Context, v *visit) error {
	id, err := v.id(upkeep.ErrNotFound)
	if err != nil {
		return err
	}
	if err := v.as(ctx, func(tx pgx.Tx) error { return c.upkeep.RemoveRule(ctx, tx, id) }); err != nil {
		return err
	}
	return v.done(poolRulesPath, "deleted_for_good")
}
