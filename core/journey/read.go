package journey

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Kind says what a step is.
type Kind string

// The kinds, in the order of steps that have one time.
const (
	Change     Kind = "change"      // a version was committed; detail: of an update {"field": [before, after]}
	Published  Kind = "published"   // a change is on its topic
	Linked     Kind = "link"        // a link with a record was made
	Pushed     Kind = "push"        // an entity was sent, or could not be
	Pulled     Kind = "pull"        // a record was taken in, or could not be
	Conflict   Kind = "conflict"    // a field was changed on both sides; detail: base, ours, theirs
	Difference Kind = "difference"  // a reconciliation found that the two sides differ; action: how; detail: field by field
	DeadLetter Kind = "dead_letter" // it failed for a person to look at; detail: violations
	Act        Kind = "act"         // somebody did something about it: replayed or dismissed a letter, settled, linked, mended
)

// Step is something that happened to an entity.
type Step struct {
	At             time.Time       `json:"at"`
	Kind           Kind            `json:"kind" enum:"change,published,link,push,pull,conflict,difference,dead_letter,act" doc:"What happened."`
	Version        int64           `json:"version,omitempty" doc:"Of the entity."`
	Action         string          `json:"action,omitempty" doc:"created, updated, deleted; the operation of a push; how the sides differ; what somebody did."`
	Outcome        string          `json:"outcome,omitempty" doc:"What came of it: how the link stands since, what the record became, how the letter, conflict or difference stands now."`
	Actor          string          `json:"actor,omitempty" doc:"Who did it."`
	ConnectionID   *uuid.UUID      `json:"connection_id,omitempty" format:"uuid" doc:"With which system."`
	RunID          *uuid.UUID      `json:"run_id,omitempty" format:"uuid" doc:"The run that pulled or compared it."`
	ID             *uuid.UUID      `json:"id,omitempty" format:"uuid" doc:"Of the link, dead letter, conflict or difference."`
	RemoteID       string          `json:"remote_id,omitempty" doc:"The record."`
	MappingVersion string          `json:"mapping_version,omitempty" doc:"The mapping it was made with."`
	Topic          string          `json:"topic,omitempty" doc:"Where the change was published."`
	Partition      *int32          `json:"partition,omitempty"`
	Offset         *int64          `json:"offset,omitempty"`
	Message        string          `json:"message,omitempty" doc:"Why it failed, or the field in conflict."`
	Detail         json.RawMessage `json:"detail,omitempty" doc:"Of an update each changed field with what it was and is; of a conflict base, ours and theirs; of a difference the fields with what each side says; of a dead letter the broken rules."`
	Exchanges      []Exchange      `json:"exchanges,omitempty" doc:"What was said to the other system and what it answered."`

	Said      *schema.Saying `json:"-"` // the message, where it is the hub's
	rank, seq int64          // order those with one time
}

// Filter says whose journey is read, and which part of it.
type Filter struct {
	Entity   string
	EntityID uuid.UUID
	After    string // Next of the page before
	Limit    int    // 0: 100; at most 500
}

// known are the links, letters and differences of the entity, which other steps are found by. A pulled letter names only the
// record, and so does a difference of a record that was missing here.
const known = `
with own as materialized (
	select l.id, l.connection_id, l.remote_id, l.created_at from links l where l.entity = $1 and l.entity_id = $2
), letters as materialized (
	select d.id, d.connection_id, d.run_id, d.direction, d.remote_id, d.class, d.message, d.said, d.violations, d.mapping_version, d.attempts, d.status,
		d.created_at
	from dead_letters d where d.entity_id = $2 and d.entity = $1
	union all
	select d.id, d.connection_id, d.run_id, d.direction, d.remote_id, d.class, d.message, d.said, d.violations, d.mapping_version, d.attempts, d.status,
		d.created_at
	from own join dead_letters d on d.remote_id = own.remote_id and d.connection_id = own.connection_id and d.entity_id is null and d.entity = $1
), differing as materialized (
	select d.id, d.kind, d.remote_id, d.message, d.said, d.fields, d.state, d.found_at, r.connection_id, r.run_id, r.mapping_version
	from differences d join reconciliations r on r.id = d.reconciliation_id and r.entity = $1
	where d.entity_id = $2
	union all
	select d.id, d.kind, d.remote_id, d.message, d.said, d.fields, d.state, d.found_at, r.connection_id, r.run_id, r.mapping_version
	from own
	join differences d on d.remote_id = own.remote_id and d.entity_id is null
	join reconciliations r on r.id = d.reconciliation_id and r.entity = $1 and r.connection_id = own.connection_id
)`

// sources are where steps come from, each as one select with the columns of a step. One more source is one more line.
func sources() []string {
	return []string{
		// changes
		`select a.at, 1 as rank, a.number as seq, 'change' as kind, coalesce(a.version, 0) as version, a.action, '' as outcome, a.actor,
	null::uuid as connection_id, null::uuid as run_id, null::uuid as id, '' as remote_id, '' as mapping_version, '' as topic,
	null::integer as partition, null::bigint as position, '' as message,
	case when a.action = 'created' then null else a.detail::jsonb end as detail, null::bytea as exchanges, null::jsonb as said
from audit_log a where a.entity = $1 and a.entity_id = $2`,
		// where they were published
		`select p.at, 2, p.seq, 'published', p.version, '', '', '', null, null, null, '', '', o.code, p.partition, p.position, '', null, null, null
from publications p cross join organizations o where p.entity_id = $2 and p.entity = $1 and o.id = p.organization_id`,
		// links
		`select l.created_at, 3, 0, 'link', 0, '', '', '', l.connection_id, null, l.id, coalesce(l.remote_id, ''), '', '', null, null, '', null, null, null
from own l`,
		// pushes and pulls
		`select e.at, 4, e.seq, e.direction, e.version, coalesce(e.op, ''), e.outcome, '', e.connection_id, e.run_id, null, coalesce(e.remote_id, ''),
	coalesce(e.mapping_version, ''), '', null, null, coalesce(e.cause ->> 'message', ''), (e.cause::jsonb -> 'violations'), e.exchanges, (e.cause::jsonb -> 'said')
from exchanges e where e.entity_id = $2 and e.entity = $1`,
		// conflicts
		`select c.created_at, 5, 0, 'conflict', 0, '', c.status, coalesce(c.settled_by, ''), c.connection_id, null, c.id, '', '', '', null, null, c.field,
	jsonb_build_object('base', c.base, 'ours', c.ours, 'theirs', c.theirs), null, null
from conflicts c where c.entity_id = $2 and c.entity = $1`,
		// what reconciliations found
		`select d.found_at, 5, 1, 'difference', 0, d.kind, d.state, '', d.connection_id, d.run_id, d.id, coalesce(d.remote_id, ''), d.mapping_version,
	'', null, null, coalesce(d.message, ''), nullif(d.fields, '[]'), null, d.said
from differing d`,
		// dead letters
		`select d.created_at, 6, 0, 'dead_letter', 0, d.direction, d.status, '', d.connection_id, d.run_id, d.id, coalesce(d.remote_id, ''),
	coalesce(d.mapping_version, ''), '', null, null, d.message, d.violations, null, d.said
from letters d`,
		// what people did about letters, links, conflicts and differences
		`select a.at, 7, a.number, 'act', 0, a.action, '', a.actor, null, null, a.entity_id, '', '', '', null, null, a.entity, a.detail::jsonb, null, null
from letters d join audit_log a on a.entity = 'dead_letter' and a.entity_id = d.id`,
		`select a.at, 7, a.number, 'act', 0, a.action, '', a.actor, l.connection_id, null, a.entity_id, '', '', '', null, null, a.entity, a.detail::jsonb, null, null
from own l join audit_log a on a.entity = 'link' and a.entity_id = l.id`,
		`select a.at, 7, a.number, 'act', 0, a.action, '', a.actor, c.connection_id, null, a.entity_id, '', '', '', null, null, a.entity, a.detail::jsonb, null, null
from conflicts c join audit_log a on a.entity = 'conflict' and a.entity_id = c.id where c.entity_id = $2 and c.entity = $1`,
		`select a.at, 7, a.number, 'act', 0, a.action, '', a.actor, d.connection_id, null, a.entity_id, '', '', '', null, null, a.entity, a.detail::jsonb, null, null
from differing d join audit_log a on a.entity = 'difference' and a.entity_id = d.id`,
	}
}

func query() string {
	return known + "\nselect s.* from (\n" + strings.Join(sources(), "\nunion all\n") + `
) s
where $3::timestamptz is null or (s.at, s.rank, s.seq) > ($3, $4::bigint, $5::bigint)
order by s.at, s.rank, s.seq
limit $6`
}

// topicOf names the topic of an organization's entity; package bus knows it.
type topicOf func(organization, entity string) string

// Read returns an entity's journey from its beginning on. A change is in it within a second, when the audit trail has it.
// topic is bus.Topic. The caller has seen to it that the entity may be read.
func Read(ctx context.Context, tx pgx.Tx, topic topicOf, f Filter) (p postgres.Page[Step], err error) {
	limit := 100
	if f.Limit > 0 {
		limit = min(f.Limit, 500)
	}
	at, rank, seq, err := f.after()
	if err != nil {
		return p, err
	}
	rows, _ := tx.Query(ctx, query(), f.Entity, f.EntityID, at, rank, seq, limit+1)
	steps, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return p, fmt.Errorf("read the journey of %s %s: %w", f.Entity, f.EntityID, err)
	}
	for i := range steps {
		if steps[i].Kind == Published {
			steps[i].Topic = topic(steps[i].Topic, f.Entity)
		}
	}
	return postgres.Cut(steps, limit, func(s Step) string { return fmt.Sprintf("%s_%d_%d", s.At.Format(time.RFC3339Nano), s.rank, s.seq) }), nil
}

func (f Filter) after() (at *time.Time, rank, seq int64, err error) {
	if f.After == "" {
		return nil, 0, 0, nil
	}
	parts := strings.Split(f.After, "_")
	if len(parts) != 3 {
		return nil, 0, 0, postgres.ErrPlace
	}
	t, errAt := time.Parse(time.RFC3339Nano, parts[0])
	rank, errRank := strconv.ParseInt(parts[1], 10, 64)
	seq, errSeq := strconv.ParseInt(parts[2], 10, 64)
	if errAt != nil || errRank != nil || errSeq != nil || t.Year() < 1 || t.Year() > 9999 {
		return nil, 0, 0, postgres.ErrPlace
	}
	return &t, rank, seq, nil
}

func scan(row pgx.CollectableRow) (s Step, err error) {
	var detail, exchanges []byte
	err = row.Scan(&s.At, &s.rank, &s.seq, &s.Kind, &s.Version, &s.Action, &s.Outcome, &s.Actor, &s.ConnectionID, &s.RunID, &s.ID, &s.RemoteID,
		&s.MappingVersion, &s.Topic, &s.Partition, &s.Offset, &s.Message, &detail, &exchanges, &s.Said)
	if err != nil {
		return s, err
	}
	s.At, s.Detail = s.At.UTC(), detail
	s.Exchanges, err = unpack(exchanges)
	return s, err
}
