package crm

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Segment is a set of customers or contacts: those listed, or those a rule finds at any time.
type Segment struct {
	Head
	Name        string             `json:"name" db:"name" required:"true"` // unique in the organization
	Description string             `json:"description,omitempty" db:"description" max:"10000"`
	Subject     string             `json:"subject" db:"subject" enum:"customer contact"` // customer, contact: of which it is a set
	Type        string             `json:"kind" db:"kind" enum:"static rule"`            // static: the members listed; rule: who meets all conditions
	OwnerID     *uuid.UUID         `json:"owner_id,omitempty" db:"owner_id" refers:"user"`
	Tags        []string           `json:"tags" db:"tags" max:"64"`
	Rule        []SegmentCondition `json:"rule" db:"-"`
	Members     []SegmentMember    `json:"members" db:"-"`
	Ext         Ext                `json:"ext" db:"ext"`
}

// SegmentCondition compares a field, as a filter of a list does.
type SegmentCondition struct {
	Field  string   `json:"field" db:"field" required:"true"`
	Op     string   `json:"op" db:"op" enum:"eq ne lt le gt ge in contains null has"`
	Values []string `json:"values" db:"values" max:"300"` // one, but for in
}

// SegmentMember is one of a static segment: a customer or a contact, whatever the segment's subject is.
type SegmentMember struct {
	CustomerID *uuid.UUID `json:"customer_id,omitempty" db:"customer_id" refers:"customer"`
	ContactID  *uuid.UUID `json:"contact_id,omitempty" db:"contact_id" refers:"contact"`
}

// maxMembers is how many a static segment lists at most: it is written and published as a whole.
const maxMembers = 5000

// Kind is KindSegment.
func (*Segment) Kind() Kind { return KindSegment }

// Normalize brings fields to their canonical form; a segment is one of customers, by a rule, unless said otherwise.
func (s *Segment) Normalize() {
	canonical(s)
	s.Subject = cmp.Or(s.Subject, string(KindCustomer))
	s.Type = cmp.Or(s.Type, "rule")
	for i := range s.Rule {
		s.Rule[i].Op = cmp.Or(s.Rule[i].Op, string(OpEqual))
	}
}

// condition is what a list is filtered by.
func (c SegmentCondition) condition() Condition {
	out := Condition{Field: c.Field, Op: Op(c.Op)}
	switch {
	case out.Op == OpIn:
		out.Value = c.Values
	case len(c.Values) == 1:
		out.Value = c.Values[0]
	}
	return out
}

// conditionFaults judges conditions as a list of the kind does.
func conditionFaults(k Kind, at string, rule []SegmentCondition) schema.Violations {
	l := listing{kind: k, table: tableOf(k)}
	for i, c := range rule {
		l.condition(at+"/"+strconv.Itoa(i), c.condition())
	}
	for i := range l.violations {
		l.violations[i].Pointer = strings.Replace(l.violations[i].Pointer, "/value", "/values", 1)
	}
	return l.violations
}

// SegmentMembers returns a page of a segment's customers or contacts, as they are now. The query that ask returns for their
// kind says which page, and what the asker does not see; the segment fills in the filter.
func (s *Store) SegmentMembers(ctx context.Context, tx pgx.Tx, segment uuid.UUID, ask func(Kind) Query) (postgres.Page[Entity], error) {
	found, err := s.Get(ctx, tx, KindSegment, []uuid.UUID{segment})
	if err != nil {
		return postgres.Page[Entity]{}, err
	}
	g, _ := found[segment].(*Segment)
	if g == nil || g.DeletedAt != nil {
		return postgres.Page[Entity]{}, fmt.Errorf("segment %s: %w", segment, ErrNotFound)
	}
	q := ask(Kind(g.Subject))
	for _, c := range g.Rule {
		q.Filter = append(q.Filter, c.condition())
	}
	if g.Type == "static" {
		ids := make([]string, len(g.Members))
		for i, m := range g.Members {
			if m.CustomerID != nil {
				ids[i] = m.CustomerID.String()
			} else {
				ids[i] = m.ContactID.String()
			}
		}
		q.Filter = []Condition{{Field: "id", Op: OpIn, Value: ids}}
	}
	return s.List(ctx, tx, Kind(g.Subject), q)
}

// Validate returns everything that breaks a rule of the type. The conditions are judged as those of a list are.
func (s *Segment) Validate() schema.Violations {
	f := checkFields(s)
	if s.Type == "rule" && len(s.Rule) == 0 {
		f.add("/rule", "minItems", "must have a condition")
	}
	if s.Type == "rule" && len(s.Members) > 0 {
		f.add("/members", "maxItems", "must be empty: the rule finds them")
	}
	if s.Type == "static" && len(s.Rule) > 0 {
		f.add("/rule", "maxItems", "must be empty: the members are listed")
	}
	if len(s.Members) > maxMembers {
		f.add("/members", "maxItems", "must have at most %d; a rule may find more", maxMembers)
	}
	seen := make(map[uuid.UUID]bool)
	for i, m := range s.Members {
		at := "/members/" + strconv.Itoa(i)
		id, other, name := m.CustomerID, m.ContactID, "customer_id"
		if s.Subject == string(KindContact) {
			id, other, name = m.ContactID, m.CustomerID, "contact_id"
		}
		switch {
		case id == nil || other != nil:
			f.add(at, "required", "must have a %s and nothing else", name)
		case seen[*id]:
			f.add(at+"/"+name, "unique", "must be listed once")
		default:
			seen[*id] = true
		}
	}
	if s.Subject == string(KindCustomer) || s.Subject == string(KindContact) {
		f.violations = append(f.violations, conditionFaults(Kind(s.Subject), "/rule", s.Rule)...)
	}
	return f.violations
}
