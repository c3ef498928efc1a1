package privacy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// Erasable are the kinds that somebody can ask to be erased: what is about a person. What belongs to them goes with them.
func Erasable() []crm.Kind { return []crm.Kind{crm.KindCustomer, crm.KindContact} }

// Request is what somebody asked for.
type Request struct {
	Kind   crm.Kind
	ID     uuid.UUID
	Reason string // kept, so without personal data: a reference to the letter that asked
}

// Validate returns what is wrong with the request.
func (r Request) Validate() schema.Violations {
	var vs schema.Violations
	if !slices.Contains(Erasable(), r.Kind) {
		vs = append(vs, schema.Violation{Pointer: "/entity", Rule: "enum", Message: "must be customer or contact"})
	}
	switch n := utf8.RuneCountInString(strings.TrimSpace(r.Reason)); {
	case n == 0:
		vs = append(vs, schema.Violation{Pointer: "/reason", Rule: "required", Message: "must say why, such as where the request is filed"})
	case n > maxReason:
		vs = append(vs, schema.Violation{Pointer: "/reason", Rule: "maxLength", Message: fmt.Sprintf("must have at most %d characters", maxReason)})
	}
	return vs
}

const maxReason = 1000

// Erasure is a request that was carried out.
type Erasure struct {
	ID        uuid.UUID        `json:"id"`
	Kind      string           `json:"entity" enum:"customer,contact"`
	EntityID  uuid.UUID        `json:"entity_id"`
	Reason    string           `json:"reason"`
	Erased    map[string]int64 `json:"erased" doc:"How much, by kind of entity and by what else held something of them."`
	Kept      map[string]int64 `json:"kept" doc:"How many documents keep what they say, since the law wants it: issued invoices, contracts in force."`
	CreatedAt time.Time        `json:"created_at"`
	CreatedBy string           `json:"created_by"`
}

// ErrBusy says that an import or export is under way that may hold the data: it must end first.
var ErrBusy = errors.New("an import or export of these entities is under way")

// MergedError says that what is to be erased is part of another entity now.
type MergedError struct{ Into uuid.UUID }

func (e *MergedError) Error() string { return "it was merged into " + e.Into.String() }

// Eraser erases.
type Eraser struct {
	Entities *crm.Store
}

// Erase erases what the request asks for. Its errors: [schema.Violations], [crm.ErrNotFound], [*MergedError] and [ErrBusy]. Who
// asks reaches for the time of it all that belongs to the person; the caller sees to it that he may.
func (s *Eraser) Erase(ctx context.Context, tx pgx.Tx, by crm.By, r Request) (e Erasure, err error) {
	if vs := r.Validate(); len(vs) > 0 {
		return Erasure{}, vs
	}
	err = postgres.AsHub(ctx, tx, func() error {
		e, err = s.erase(ctx, tx, by, r)
		return err
	})
	if err != nil {
		return Erasure{}, fmt.Errorf("erase %s %s: %w", r.Kind, r.ID, err)
	}
	return e, nil
}

func (s *Eraser) erase(ctx context.Context, tx pgx.Tx, by crm.By, r Request) (Erasure, error) {
	e := Erasure{Kind: string(r.Kind), EntityID: r.ID, Reason: strings.TrimSpace(r.Reason), Erased: map[string]int64{}, Kept: map[string]int64{}}
	var err error
	if e.ID, err = uuid.NewV7(); err != nil {
		return e, fmt.Errorf("make an id: %w", err)
	}
	p, err := s.personOf(ctx, tx, r)
	if err != nil {
		return e, err
	}
	if err := p.idle(ctx, tx); err != nil {
		return e, err
	}
	if e.Kept, err = p.keep(ctx, tx); err != nil {
		return e, err
	}
	said, err := s.identifying(ctx, tx, p)
	if err != nil {
		return e, err
	}
	if err := tx.QueryRow(ctx, insertErasure, e.ID, e.Kind, e.EntityID, e.Reason).Scan(&e.CreatedAt, &e.CreatedBy); err != nil {
		return e, err
	}
	for _, k := range p.kinds() {
		if err := s.forget(ctx, tx, by, e, k, p.entities[k]); err != nil {
			return e, err
		}
		e.Erased[string(k)] = int64(len(p.entities[k]))
	}
	if err := s.forgetHistory(ctx, tx, &e, p); err != nil {
		return e, err
	}
	if err := forgetCopies(ctx, tx, &e, p, said); err != nil {
		return e, err
	}
	maps.DeleteFunc(e.Erased, func(_ string, n int64) bool { return n == 0 })
	if _, err := tx.Exec(ctx, `update erasures set counts = $2, kept = $3 where id = $1`, e.ID, e.Erased, e.Kept); err != nil {
		return e, err
	}
	return e, audit.Record(ctx, tx, audit.Act{
		Action: "erased", Entity: e.Kind, EntityID: e.EntityID, Detail: map[string]any{"erasure": e.ID, "reason": e.Reason, "erased": e.Erased, "kept": e.Kept},
	})
}

const (
	insertErasure = `insert into erasures (id, entity, entity_id, reason) values ($1, $2, $3, $4) returning created_at, created_by`
	insertErased  = `
insert into erased (entity, entity_id, erasure_id, version) select $1, u.id, $2, u.version from unnest($3::uuid[], $4::bigint[]) u (id, version)
on conflict (organization_id, entity_id, entity) do update set erasure_id = excluded.erasure_id, version = excluded.version`
)

// forget empties the entities of a kind, and notes that they are.
func (s *Eraser) forget(ctx context.Context, tx pgx.Tx, by crm.By, e Erasure, k crm.Kind, ids []uuid.UUID) error {
	now, err := s.Entities.Forget(ctx, tx, by, k, ids)
	if err != nil {
		return err
	}
	versions := make([]int64, len(ids))
	for i, id := range ids {
		if now[id] != nil {
			versions[i] = crm.HeadOf(now[id]).Version
		}
	}
	_, err = tx.Exec(ctx, insertErased, k, e.ID, ids, versions)
	return err
}

// Preview returns what Erase would, and changes nothing.
func (s *Eraser) Preview(ctx context.Context, tx pgx.Tx, by crm.By, r Request) (e Erasure, err error) {
	undone := errors.New("undone")
	err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		if e, err = s.Erase(ctx, tx, by, r); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		return Erasure{}, err
	}
	return e, nil
}
