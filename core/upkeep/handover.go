package upkeep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// HandOver is what a user owned going over to others.
type HandOver struct {
	ID         uuid.UUID      `json:"id"`
	FromUserID uuid.UUID      `json:"from_user_id"`
	OpenOnly   bool           `json:"open_only" doc:"Only what is not over yet."`
	Status     HandOverStatus `json:"status" enum:"running,done,cancelled,failed"`
	Error      string         `json:"error,omitempty" doc:"Why it failed. What was handed over by then stays so."`
	Said       *schema.Saying `json:"-"` // the same
	Parts      []Part         `json:"parts" nullable:"false"`
	CreatedAt  time.Time      `json:"created_at"`
	CreatedBy  string         `json:"created_by"`
	FinishedAt *time.Time     `json:"finished_at,omitempty"`
}

// HandOverStatus is how a hand-over stands.
type HandOverStatus string

// The statuses.
const (
	Running   HandOverStatus = "running"
	Done      HandOverStatus = "done"
	Cancelled HandOverStatus = "cancelled"
	Failed    HandOverStatus = "failed"
)

// Part is what goes over of one kind.
type Part struct {
	Kind     crm.Kind  `json:"entity" doc:"The kind of entity."`
	ToUserID uuid.UUID `json:"to_user_id" doc:"Who gets them."`
	Expected int64     `json:"expected" doc:"How many there were when it was asked for."`
	Moved    int64     `json:"moved" doc:"How many are theirs now."`
}

// Wish is what is to be handed over.
type Wish struct {
	From     uuid.UUID
	To       uuid.UUID              // who gets what ByKind does not name; the nil UUID: that stays
	ByKind   map[crm.Kind]uuid.UUID // who gets the entities of a kind
	OpenOnly bool
}

// unfinished are, for each owned kind, which of its entities are not over yet: those a hand-over of what is open takes along.
// What only tells of the past is over.
var unfinished = map[crm.Kind]string{ //nolint:gochecknoglobals // a table
	crm.KindCustomer:    "true",
	crm.KindContact:     "true",
	crm.KindSegment:     "true",
	crm.KindCampaign:    "status <> 'complete'",
	crm.KindOpportunity: "status = 'open'",
	crm.KindOrder:       "status in ('draft', 'submitted', 'confirmed', 'in_progress', 'on_hold')",
	crm.KindInvoice:     "(status = 'draft' or status <> 'cancelled' and residual <> 0)",
	crm.KindPayment:     "status = 'draft'",
	crm.KindContract:    "status in ('draft', 'in_review', 'signed')",
	crm.KindTicket:      "status in ('new', 'assigned', 'pending')",
	crm.KindFeedback:    "false",
	crm.KindActivity:    "false",
	crm.KindTask:        "status in ('not_started', 'started', 'deferred')",
}

// ownedBy is the condition of the rows of a kind that a hand-over takes along; $1 is whose they are.
func ownedBy(k crm.Kind, openOnly bool) string {
	condition := "owner_id = $1 and deleted_at is null"
	if openOnly {
		condition += " and " + unfinished[k]
	}
	return condition
}

// PlanHandOver counts what would go over to whom, kinds without any left out. It counts all there is, whatever the caller sees
// of it: he is to be asked whether he may give it away. What is wrong with the wish is [schema.Violations]; a user who is
// nobody here is [ErrNotFound].
func (s *Store) PlanHandOver(ctx context.Context, tx pgx.Tx, w Wish) ([]Part, error) {
	if err := s.checkWish(ctx, tx, w); err != nil {
		return nil, err
	}
	var parts []Part
	err := postgres.AsHub(ctx, tx, func() error {
		for _, k := range crm.Kinds() {
			to, named := w.ByKind[k]
			if !named {
				to = w.To
			}
			if !crm.Owned(k) || to == uuid.Nil {
				continue
			}
			p := Part{Kind: k, ToUserID: to}
			if err := tx.QueryRow(ctx, "select count(*) from "+k.Plural()+" where "+ownedBy(k, w.OpenOnly), w.From).Scan(&p.Expected); err != nil {
				return fmt.Errorf("count %s of user %s: %w", k.Plural(), w.From, err)
			}
			if p.Expected > 0 {
				parts = append(parts, p)
			}
		}
		return nil
	})
	return parts, err
}

func (s *Store) checkWish(ctx context.Context, tx pgx.Tx, w Wish) error {
	type receiver struct {
		pointer string
		id      uuid.UUID
	}
	var receivers []receiver
	if w.To != uuid.Nil {
		receivers = append(receivers, receiver{"/to_user_id", w.To})
	}
	var vs schema.Violations
	for _, k := range slices.Sorted(maps.Keys(w.ByKind)) {
		to := w.ByKind[k]
		at := "/by_kind/" + string(k)
		if _, err := crm.ParseKind(string(k)); err != nil || !crm.Owned(k) {
			vs = append(vs, schema.Violation{Pointer: at, Rule: "enum", Message: "must be a kind of entity that has owners"})
		}
		receivers = append(receivers, receiver{at, to})
	}
	if len(receivers) == 0 {
		vs = append(vs, schema.Violation{Pointer: "/to_user_id", Rule: "required", Message: "must be given, or by_kind"})
	}
	active := map[uuid.UUID]bool{}
	ids := []uuid.UUID{w.From}
	for _, r := range receivers {
		ids = append(ids, r.id)
	}
	rows, err := tx.Query(ctx, `select id, status = 'active' from users where id = any($1)`, ids)
	if err != nil {
		return fmt.Errorf("look up users: %w", err)
	}
	var id uuid.UUID
	var is bool
	if _, err := pgx.ForEachRow(rows, []any{&id, &is}, func() error { active[id] = is; return nil }); err != nil {
		return fmt.Errorf("look up users: %w", err)
	}
	if _, here := active[w.From]; !here {
		return fmt.Errorf("hand over from user %s: %w", w.From, ErrNotFound)
	}
	for _, r := range receivers {
		switch is, here := active[r.id]; {
		case !here:
			vs = append(vs, schema.Violation{Pointer: r.pointer, Rule: "exists", Message: "must be the id of a user here"})
		case r.id == w.From:
			vs = append(vs, schema.Violation{Pointer: r.pointer, Rule: "not", Message: "must be somebody else"})
		case !is:
			vs = append(vs, schema.Violation{Pointer: r.pointer, Rule: "active", Message: "must be an active user"})
		}
	}
	return vs.Err()
}

const (
	insertHandOver = `insert into hand_overs (id, from_user, open_only, traceparent, created_at, progress_at) values ($1, $2, $3, nullif($4, ''), $5, $5)`

	insertParts = `
insert into hand_over_parts (hand_over_id, seq, entity, to_user, expected)
select $1, seq, entity, to_user, expected from unnest($2::text[], $3::uuid[], $4::bigint[]) with ordinality as p(entity, to_user, expected, seq)`

	handOverColumns = `h.id, h.from_user, h.open_only, h.status, coalesce(h.error, ''), h.said, h.created_at, h.actor, h.finished_at,
	coalesce((select json_agg(json_build_object('entity', p.entity, 'to_user_id', p.to_user, 'expected', p.expected, 'moved', p.moved) order by p.seq)
		from hand_over_parts p where p.hand_over_id = h.id), '[]')`
)

func scanHandOver(row pgx.CollectableRow) (h HandOver, err error) {
	err = row.Scan(&h.ID, &h.FromUserID, &h.OpenOnly, &h.Status, &h.Error, &h.Said, &h.CreatedAt, &h.CreatedBy, &h.FinishedAt, &h.Parts)
	h.CreatedAt = h.CreatedAt.UTC()
	if h.FinishedAt != nil {
		utc := h.FinishedAt.UTC()
		h.FinishedAt = &utc
	}
	return h, err
}

// BeginHandOver lets a runner hand over what was planned, as the actor of the transaction. While one is running for the user,
// another is [schema.Violations].
func (s *Store) BeginHandOver(ctx context.Context, tx pgx.Tx, w Wish, parts []Part, traceParent string) (HandOver, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return HandOver{}, fmt.Errorf("begin hand-over: %w", err)
	}
	if _, err := tx.Exec(ctx, insertHandOver, id, w.From, w.OpenOnly, traceParent, s.now()); err != nil {
		if _, constraint := postgres.ErrorCode(err); constraint == "hand_overs_one" {
			return HandOver{}, schema.Violations{{Pointer: "", Rule: "unique", Message: "a hand-over of what this user owns is running: wait for it or cancel it"}}
		}
		return HandOver{}, fmt.Errorf("begin hand-over: %w", err)
	}
	var kinds []string
	var to []uuid.UUID
	var expected []int64
	for _, p := range parts {
		kinds, to, expected = append(kinds, string(p.Kind)), append(to, p.ToUserID), append(expected, p.Expected)
	}
	if _, err := tx.Exec(ctx, insertParts, id, kinds, to, expected); err != nil {
		return HandOver{}, fmt.Errorf("begin hand-over: %w", err)
	}
	if err := wake(ctx, tx); err != nil {
		return HandOver{}, err
	}
	act := audit.Act{Action: "handed_over", Entity: "user", EntityID: w.From, Detail: map[string]any{"hand_over_id": id, "open_only": w.OpenOnly, "parts": parts}}
	if err := audit.Record(ctx, tx, act); err != nil {
		return HandOver{}, err
	}
	return s.HandOver(ctx, tx, id)
}

// HandOver returns a hand-over, or [ErrNotFound].
func (s *Store) HandOver(ctx context.Context, tx pgx.Tx, id uuid.UUID) (HandOver, error) {
	return postgres.One(ctx, tx, "read hand-over", scanHandOver, ErrNotFound, `select `+handOverColumns+` from hand_overs h where h.id = $1`, id)
}

const listHandOvers = `
select ` + handOverColumns + ` from hand_overs h
where ($1::text = '' or h.actor = $1) and ($2::timestamptz is null or (h.created_at, h.id) < ($2, $3::uuid))
order by h.created_at desc, h.id desc
limit $4`

// HandOvers lists hand-overs, the newest first: those an actor asked for, or all ("").
func (s *Store) HandOvers(ctx context.Context, tx pgx.Tx, actor postgres.Actor, after string, limit int) (postgres.Page[HandOver], error) {
	from, err := postgres.ParsePlace(after)
	if err != nil {
		return postgres.Page[HandOver]{}, fmt.Errorf("list hand-overs: %w", err)
	}
	at, _, id := from.Args()
	return postgres.List(ctx, tx, "list hand-overs", scanHandOver, limit, func(h HandOver) string { return postgres.Place{At: h.CreatedAt, ID: h.ID}.String() },
		listHandOvers, actor, at, id)
}

// CancelHandOver ends a hand-over; what was handed over by then stays so. One that has ended stays as it is.
func (s *Store) CancelHandOver(ctx context.Context, tx pgx.Tx, id uuid.UUID) (HandOver, error) {
	if err := endHandOver(ctx, tx, id, Cancelled, "", nil, s.now()); err != nil && !errors.Is(err, errEnded) {
		return HandOver{}, err
	}
	return s.HandOver(ctx, tx, id)
}
