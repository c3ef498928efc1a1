package job

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// LetterCause is a group of dead letters that one repair would settle.
type LetterCause struct {
	Fingerprint  string            `json:"fingerprint"`
	ConnectionID uuid.UUID         `json:"connection_id"`
	Direction    Kind              `json:"direction"`
	Entity       string            `json:"entity"`
	Stage        Stage             `json:"stage"`
	Class        string            `json:"class"`
	Message      string            `json:"message"` // of the letter that changed last
	Said         *schema.Saying    `json:"said,omitempty"`
	Violations   schema.Violations `json:"violations"` // of that letter, places in lists generalised to *
	Count        int64             `json:"count"`
	Attempts     int64             `json:"attempts"` // of all of them
	FirstSeen    time.Time         `json:"first_seen"`
	LastSeen     time.Time         `json:"last_seen"`
	Latest       uuid.UUID         `json:"latest_id"`                  // the letter that changed last
	EntityID     *uuid.UUID        `json:"latest_entity_id,omitempty"` // what that letter is about, if it is a push's
	RemoteID     string            `json:"latest_remote_id,omitempty"` // and if it is a pull's
}

// One pass over the letters finds the groups; only those of the page are looked at closer.
const listCauses = `
with groups as (
	select d.fingerprint, count(*) as n, sum(d.attempts) as attempts, min(d.created_at) as first_seen, max(d.updated_at) as last_seen
	from dead_letters d
	where ($1 = '' or d.status = $1) and ($2::uuid is null or d.connection_id = $2) and ($3 = '' or d.direction = $3)
		and ($4 = '' or d.entity = $4) and ($5 = '' or d.class = $5) and ($6 = '' or d.fingerprint = $6)
	group by d.fingerprint
), page as (
	select * from groups
	where ($7::timestamptz is null or (last_seen, fingerprint) < ($7, $8))
	order by last_seen desc, fingerprint desc
	limit $9
)
select p.fingerprint, l.connection_id, l.direction, l.entity, l.stage, l.class, l.message, l.said, l.violations, p.n, p.attempts, p.first_seen, p.last_seen, l.id,
	l.entity_id, coalesce(l.remote_id, '')
from page p
cross join lateral (
	select * from dead_letters d
	where d.fingerprint = p.fingerprint and d.updated_at = p.last_seen and ($1 = '' or d.status = $1)
	order by d.id desc
	limit 1) as l
order by p.last_seen desc, p.fingerprint desc`

// ListCauses returns the causes of the dead letters that a filter lets through, the one seen last first.
func ListCauses(ctx context.Context, tx pgx.Tx, f LetterFilter) (p postgres.Page[LetterCause], err error) {
	after, err := postgres.ParsePlace(f.After)
	if err != nil {
		return p, err
	}
	at, fingerprint, _ := after.Args()
	size := postgres.PageSize(f.Limit)
	rows, _ := tx.Query(ctx, listCauses, f.Status, postgres.OrNull(f.Connection), f.Direction, f.Entity, f.Class, f.Fingerprint, at, fingerprint, size+1)
	causes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[LetterCause])
	if err != nil {
		return p, fmt.Errorf("list causes of dead letters: %w", err)
	}
	for _, c := range causes {
		for i := range c.Violations {
			c.Violations[i].Pointer = places.ReplaceAllString(c.Violations[i].Pointer, "/*")
		}
	}
	return postgres.Cut(causes, size, func(c LetterCause) string { return postgres.Place{At: c.LastSeen, Word: c.Fingerprint}.String() }), nil
}

const dismissAll = `
update dead_letters d set status = 'dismissed', reason = $4, closed_at = now(), updated_at = now()
where ` + inScope + `
returning id`

// DismissAll closes the open dead letters of a scope for a reason, which is required, and returns how many they were.
// Errors: [schema.Violations].
func DismissAll(ctx context.Context, tx pgx.Tx, s Scope, reason string) (int, error) {
	if err := s.check(); err != nil {
		return 0, err
	}
	if strings.TrimSpace(reason) == "" {
		return 0, noReason()
	}
	rows, _ := tx.Query(ctx, dismissAll, s.Fingerprint, s.Connection, s.Since, reason)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return 0, fmt.Errorf("dismiss dead letters: %w", err)
	}
	acts := make([]audit.Act, len(ids))
	for i, id := range ids {
		acts[i] = audit.Act{Action: "dismissed", Entity: "dead_letter", EntityID: id, Detail: map[string]string{"reason": reason}}
	}
	return len(ids), audit.Record(ctx, tx, acts...)
}

func noReason() schema.Violations {
	return schema.Violations{{Pointer: "/reason", Rule: "required", Message: "say why it does not matter"}}
}
