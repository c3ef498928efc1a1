package upkeep

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Basis is what the days of a rule are counted from. None counts from a day before the customer got its owner.
type Basis string

// The bases.
const (
	SinceContact      Basis = "contact"       // the last contact
	SinceFirstContact Basis = "first_contact" // the day the owner got it, as long as there was no contact since
	SinceDeal         Basis = "deal"          // the last order that counts, or opportunity won
	SinceContract     Basis = "contract"      // the end of the last contract; an open one never ends
)

// Bases are all there are.
func Bases() []Basis { return []Basis{SinceContact, SinceFirstContact, SinceDeal, SinceContract} }

// Keep is what keeps a customer with its owner though a rule says it is due.
type Keep string

// What may keep a customer.
const (
	KeepOpenOpportunity Keep = "open_opportunity"
	KeepOpenOrder       Keep = "open_order"      // submitted and not completed, closed or cancelled
	KeepOpenTicket      Keep = "open_ticket"     // neither resolved nor closed
	KeepSignedContract  Keep = "signed_contract" // and not ended
	KeepPlannedContact  Keep = "planned_contact" // a next contact that is still to come: the customer is due the day after
)

// Keeps are all there are.
func Keeps() []Keep {
	return []Keep{KeepOpenOpportunity, KeepOpenOrder, KeepOpenTicket, KeepSignedContract, KeepPlannedContact}
}

// Terms are what a rule says: which customers fall into the pool, and when. The lists narrow whom it applies to; an empty one does not.
type Terms struct {
	Name         string     `json:"name" minLength:"1" maxLength:"300" doc:"For people; the log of the pool repeats it."`
	IsActive     bool       `json:"is_active" doc:"Whether it counts."`
	Basis        Basis      `json:"basis" enum:"contact,first_contact,deal,contract" doc:"What the days are counted from: the last contact; the day the owner got the customer, as long as there was no contact since; the last order or opportunity won; the end of the last contract. Never from before the owner got it."`
	Days         int        `json:"days" minimum:"1" maximum:"3650" doc:"After how many days the customer is due."`
	WarnDays     int        `json:"warn_days,omitempty" minimum:"0" maximum:"3650" doc:"How many days before that its owner is warned, in his follow-ups."`
	Lifecycles   []string   `json:"lifecycles,omitempty" doc:"To customers of these lifecycles only."`
	Levels       []string   `json:"levels,omitempty" doc:"To customers of these levels only."`
	Tags         []string   `json:"tags,omitempty" doc:"To customers with one of these tags only."`
	DepartmentID *uuid.UUID `json:"department_id,omitempty" doc:"To customers of this department and those below it only."`
	Keeps        []Keep     `json:"keeps,omitempty" enum:"open_opportunity,open_order,open_ticket,signed_contract,planned_contact" doc:"What keeps a customer with its owner all the same."`
	KeepTags     []string   `json:"keep_tags,omitempty" doc:"Customers with one of these tags stay."`
}

// RecycleRule is a recycle rule: what makes customers fall into the pool by themselves.
type RecycleRule struct {
	ID uuid.UUID `json:"id"`
	Terms
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	UpdatedAt time.Time `json:"updated_at"`
	UpdatedBy string    `json:"updated_by"`
}

func (t *Terms) check() schema.Violations {
	var vs schema.Violations
	add := func(pointer, rule, message string) {
		vs = append(vs, schema.Violation{Pointer: pointer, Rule: rule, Message: message})
	}
	if t.Name = strings.TrimSpace(t.Name); t.Name == "" || utf8.RuneCountInString(t.Name) > 300 {
		add("/name", "required", "must have 1 to 300 characters")
	}
	if !slices.Contains(Bases(), t.Basis) {
		add("/basis", "enum", "must be one of contact, first_contact, deal, contract")
	}
	if t.Days < 1 || t.Days > 3650 {
		add("/days", "range", "must be 1 to 3650 days")
	}
	if t.WarnDays < 0 || t.WarnDays > t.Days {
		add("/warn_days", "range", "must not be more than the days themselves")
	}
	for _, list := range []struct {
		name  string
		words []string
		known []string // nil: any
	}{
		{"lifecycles", t.Lifecycles, wordsOf("lifecycle")},
		{"levels", t.Levels, wordsOf("level")},
		{"tags", t.Tags, nil},
		{"keeps", texts(t.Keeps), texts(Keeps())},
		{"keep_tags", t.KeepTags, nil},
	} {
		if len(list.words) > 100 {
			add("/"+list.name, "maxItems", "must be 100 at most")
		}
		for i, word := range list.words {
			switch at := "/" + list.name + "/" + strconv.Itoa(i); {
			case list.known != nil && !slices.Contains(list.known, word):
				add(at, "enum", "must be one of "+strings.Join(list.known, ", "))
			case strings.TrimSpace(word) == "":
				add(at, "required", "must not be empty")
			}
		}
	}
	return vs
}

// wordsOf are what a field of a customer may say.
func wordsOf(field string) []string {
	for _, f := range crm.Fields(crm.KindCustomer) {
		if f.Name == field {
			return f.Enum
		}
	}
	return nil
}

func texts[T ~string](words []T) []string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return all
}

const (
	ruleColumns = `id, name, is_active, basis, days, warn_days, lifecycles, levels, tags, department_id, keeps, keep_tags,
	created_at, created_by, updated_at, updated_by`

	insertRule = `
insert into pool_rules (id, name, is_active, basis, days, warn_days, lifecycles, levels, tags, department_id, keeps, keep_tags)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
returning ` + ruleColumns

	updateRule = `
update pool_rules set name = $2, is_active = $3, basis = $4, days = $5, warn_days = $6, lifecycles = $7, levels = $8, tags = $9,
	department_id = $10, keeps = $11, keep_tags = $12, updated_at = now(), updated_by = crmhub_actor()
where id = $1
returning ` + ruleColumns
)

func scanRule(row pgx.CollectableRow) (r RecycleRule, err error) {
	err = row.Scan(&r.ID, &r.Name, &r.IsActive, &r.Basis, &r.Days, &r.WarnDays, &r.Lifecycles, &r.Levels, &r.Tags, &r.DepartmentID,
		&r.Keeps, &r.KeepTags, &r.CreatedAt, &r.CreatedBy, &r.UpdatedAt, &r.UpdatedBy)
	r.CreatedAt, r.UpdatedAt = r.CreatedAt.UTC(), r.UpdatedAt.UTC()
	return r, err
}

func (t Terms) args(id uuid.UUID) []any {
	list := func(words []string) []string { return append([]string{}, words...) } // never null
	return []any{
		id, t.Name, t.IsActive, t.Basis, t.Days, t.WarnDays, list(t.Lifecycles), list(t.Levels), list(t.Tags), t.DepartmentID,
		list(texts(t.Keeps)), list(t.KeepTags),
	}
}

// AddRule adds a recycle rule, which counts from the next time the rules are applied. What is wrong with it is [schema.Violations].
func (s *Store) AddRule(ctx context.Context, tx pgx.Tx, t Terms) (RecycleRule, error) {
	if err := t.check().Err(); err != nil {
		return RecycleRule{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return RecycleRule{}, fmt.Errorf("add rule: %w", err)
	}
	r, err := postgres.One(ctx, tx, "add rule", scanRule, ErrNotFound, insertRule, t.args(id)...)
	if err != nil {
		return RecycleRule{}, departmentFault(err)
	}
	if err := audit.Record(ctx, tx, audit.Act{Action: "created", Entity: "recycle_rule", EntityID: r.ID, Detail: t}); err != nil {
		return RecycleRule{}, err
	}
	return r, s.schedule(ctx, tx)
}

// Rules are all there are, the oldest first.
func (s *Store) Rules(ctx context.Context, tx pgx.Tx) ([]RecycleRule, error) {
	return postgres.All(ctx, tx, "list rules", scanRule, `select `+ruleColumns+` from pool_rules order by id`)
}

// Rule returns a rule, or [ErrNotFound].
func (s *Store) Rule(ctx context.Context, tx pgx.Tx, id uuid.UUID) (RecycleRule, error) {
	return postgres.One(ctx, tx, "read rule", scanRule, ErrNotFound, `select `+ruleColumns+` from pool_rules where id = $1`, id)
}

// UpdateRule changes what a rule says. Errors: [schema.Violations], [ErrNotFound].
func (s *Store) UpdateRule(ctx context.Context, tx pgx.Tx, id uuid.UUID, t Terms) (RecycleRule, error) {
	if err := t.check().Err(); err != nil {
		return RecycleRule{}, err
	}
	r, err := postgres.One(ctx, tx, "change rule", scanRule, ErrNotFound, updateRule, t.args(id)...)
	if err != nil {
		return RecycleRule{}, departmentFault(err)
	}
	return r, audit.Record(ctx, tx, audit.Act{Action: "updated", Entity: "recycle_rule", EntityID: id, Detail: t})
}

// RemoveRule takes a rule away, or returns [ErrNotFound]. What it brought into the pool stays there.
func (s *Store) RemoveRule(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	if _, err := postgres.One(ctx, tx, "remove rule", pgx.RowTo[uuid.UUID], ErrNotFound, `delete from pool_rules where id = $1 returning id`, id); err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Act{Action: "deleted", Entity: "recycle_rule", EntityID: id})
}

func departmentFault(err error) error {
	if code, _ := postgres.ErrorCode(err); code == "23503" {
		return schema.Violations{{Pointer: "/department_id", Rule: "exists", Message: "must be the id of a department here"}}
	}
	return err
}
