package job

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
)

const letterColumns = `d.id, d.connection_id, d.run_id, d.direction, d.entity, d.entity_id, coalesce(d.remote_id, ''), d.stage, d.class,
	d.message, d.said, d.violations, d.payload, coalesce(d.mapping_version, ''), d.fingerprint, d.attempts, d.status, coalesce(d.reason, ''),
	d.created_at, d.updated_at, d.closed_at`

func scanLetter(row pgx.CollectableRow) (d DeadLetter, err error) {
	var violations, payload []byte
	err = row.Scan(&d.ID, &d.ConnectionID, &d.RunID, &d.Direction, &d.Entity, &d.EntityID, &d.RemoteID, &d.Stage, &d.Class,
		&d.Message, &d.Said, &violations, &payload, &d.MappingVersion, &d.Fingerprint, &d.Attempts, &d.Status, &d.Reason,
		&d.CreatedAt, &d.UpdatedAt, &d.ClosedAt)
	if err != nil {
		return d, err
	}
	d.Payload = payload
	err = json.Unmarshal(violations, &d.Violations)
	return d, err
}

const bury = `
insert into dead_letters as d (id, connection_id, run_id, direction, entity, entity_id, remote_id, stage, class, message, said, violations,
	payload, mapping_version, fingerprint)
select id, connection_id, run_id, direction, entity, entity_id, remote_id, stage, class, message, said, coalesce(violations, '[]'),
	payload, mapping_version, fingerprint
from json_to_recordset($1) as i (id uuid, connection_id uuid, run_id uuid, direction text, entity text, entity_id uuid, remote_id text,
	stage text, class text, message text, said jsonb, violations jsonb, payload jsonb, mapping_version text, fingerprint text)
on conflict (organization_id, connection_id, direction, entity, (coalesce(case when direction = 'push' then entity_id::text else remote_id end, '')))
where status = 'open' do update set
	run_id = excluded.run_id, entity_id = excluded.entity_id, remote_id = excluded.remote_id, stage = excluded.stage, class = excluded.class,
	message = excluded.message, said = excluded.said, violations = excluded.violations, payload = excluded.payload, mapping_version = excluded.mapping_version,
	fingerprint = excluded.fingerprint, attempts = d.attempts + 1, updated_at = now()
returning ` + letterColumns

// Bury stores dead letters, as many as there are in one statement. A letter about a thing that has an open one replaces
// its cause and payload and counts as one more attempt. It gives the letters their ids and fingerprints.
func Bury(ctx context.Context, tx pgx.Tx, letters []DeadLetter) error {
	last := make(map[string]*DeadLetter, len(letters)) // of two about the same thing the later one tells
	for i := range letters {
		d := &letters[i]
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("bury: %w", err)
		}
		d.ID, d.Fingerprint = id, d.fingerprint()
		last[d.ConnectionID.String()+string(d.Direction)+d.Entity+"\x00"+d.thing()] = d
	}
	if len(last) == 0 {
		return nil
	}
	rows, err := json.Marshal(slices.Collect(maps.Values(last)))
	if err != nil {
		return fmt.Errorf("bury: %w", err)
	}
	buried, err := someLetters(ctx, tx, bury, string(rows))
	if err != nil {
		return fmt.Errorf("bury %d: %w", len(last), err)
	}
	return publish(ctx, tx, buried)
}

const resolve = `
update dead_letters d set status = 'resolved', closed_at = now(), updated_at = now()
where d.status = 'open' and d.connection_id = $1 and d.direction = $2 and d.entity = $3
	and coalesce(case when d.direction = 'push' then d.entity_id::text else d.remote_id end, '') = any($4)
returning ` + letterColumns

// Resolve closes the open letters about things that succeeded. Things without one are no fault.
func Resolve(ctx context.Context, tx pgx.Tx, t Things) error {
	if len(t.IDs) == 0 {
		return nil
	}
	resolved, err := someLetters(ctx, tx, resolve, t.ConnectionID, t.Direction, t.Entity, t.IDs)
	if err != nil {
		return fmt.Errorf("resolve: %w", err)
	}
	return publish(ctx, tx, resolved)
}

// LetterFilter narrows a list of dead letters; zero fields do not.
type LetterFilter struct {
	Status      LetterStatus
	Connection  uuid.UUID
	Run         uuid.UUID
	Direction   Kind
	Entity      string
	Class       string
	Fingerprint string
	After       string // Next of the page before
	Limit       int    // 0: 50; at most 500
}

const listLetters = `
select ` + letterColumns + `
from dead_letters d
where ($1 = '' or d.status = $1) and ($2::uuid is null or d.connection_id = $2) and ($3 = '' or d.direction = $3)
	and ($4 = '' or d.entity = $4) and ($5 = '' or d.class = $5) and ($6 = '' or d.fingerprint = $6)
	and ($7::timestamptz is null or (d.updated_at, d.id) < ($7, $8::uuid)) and ($10::uuid is null or d.run_id = $10)
order by d.updated_at desc, d.id desc
limit $9`

// ListDeadLetters returns dead letters, the one that changed last first.
func ListDeadLetters(ctx context.Context, tx pgx.Tx, f LetterFilter) (p postgres.Page[DeadLetter], err error) {
	after, err := postgres.ParsePlace(f.After)
	if err != nil {
		return p, err
	}
	at, _, id := after.Args()
	size := postgres.PageSize(f.Limit)
	letters, err := someLetters(ctx, tx, listLetters, f.Status, postgres.OrNull(f.Connection), f.Direction, f.Entity, f.Class, f.Fingerprint,
		at, id, size+1, postgres.OrNull(f.Run))
	if err != nil {
		return p, err
	}
	return postgres.Cut(letters, size, func(d DeadLetter) string { return postgres.Place{At: d.UpdatedAt, ID: d.ID}.String() }), nil
}

const waiting = `
select ` + letterColumns + `
from dead_letters d
where d.status = 'open' and d.direction = 'pull' and d.class = 'waiting' and d.connection_id = $1 and d.entity = $2 and d.id > $3
order by d.id
limit $4`

// Waiting returns open letters of pulled records that wait for another record, oldest first, from after an id on.
func Waiting(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, after uuid.UUID, limit int) ([]DeadLetter, error) {
	return someLetters(ctx, tx, waiting, connection, entity, after, limit)
}

// GetDeadLetter returns a dead letter, or [ErrNotFound].
func GetDeadLetter(ctx context.Context, tx pgx.Tx, id uuid.UUID) (DeadLetter, error) {
	return oneLetter(someLetters(ctx, tx, `select `+letterColumns+` from dead_letters d where d.id = $1`, id))
}

const dismiss = `
update dead_letters d set status = 'dismissed', reason = $2, closed_at = now(), updated_at = now()
where id = $1 and status = 'open'
returning ` + letterColumns

// Dismiss closes an open dead letter for a reason, which is required. Errors: [schema.Violations], [ErrNotFound].
func Dismiss(ctx context.Context, tx pgx.Tx, id uuid.UUID, reason string) (DeadLetter, error) {
	if strings.TrimSpace(reason) == "" {
		return DeadLetter{}, noReason()
	}
	d, err := oneLetter(someLetters(ctx, tx, dismiss, id, reason))
	if err != nil {
		return DeadLetter{}, err
	}
	if err := publish(ctx, tx, []DeadLetter{d}); err != nil {
		return DeadLetter{}, err
	}
	return d, audit.Record(ctx, tx, audit.Act{Action: "dismissed", Entity: "dead_letter", EntityID: id, Detail: map[string]string{"reason": reason}})
}

func someLetters(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]DeadLetter, error) {
	return postgres.All(ctx, tx, "read dead letters", scanLetter, sql, args...)
}

func oneLetter(letters []DeadLetter, err error) (DeadLetter, error) {
	if err == nil && len(letters) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return DeadLetter{}, err
	}
	return letters[0], nil
}

// CountOpen returns how many dead letters wait for somebody.
func CountOpen(ctx context.Context, tx pgx.Tx) (n int64, err error) {
	if err := tx.QueryRow(ctx, `select count(*) from dead_letters where status = 'open'`).Scan(&n); err != nil {
		return 0, fmt.Errorf("count dead letters: %w", err)
	}
	return n, nil
}
