package drift

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/mapping"
)

// saveEvery is after how many records a run that goes on saves what it saw.
const saveEvery = 20_000

// Observer sees the records of one run of a stream. It is used by one goroutine.
type Observer struct {
	connection uuid.UUID
	run        uuid.UUID
	mapping    *mapping.Mapping
	now        *Profile
	saved      bool
}

// NewObserver is for a run that reads records of the mapping's kind.
func NewObserver(connection, run uuid.UUID, m *mapping.Mapping) *Observer {
	return &Observer{connection: connection, run: run, mapping: m, now: newProfile()}
}

// See folds records in, and reports whether it is time to save: after the first, so that what is other is told soon, and now and
// then in a long run.
func (o *Observer) See(records []connector.Record) (due bool) {
	o.now.Add(records)
	return o.now.Records > 0 && !o.saved || o.now.Records >= saveEvery
}

// Pending reports whether something was seen and not saved.
func (o *Observer) Pending() bool { return o.now.Records > 0 }

const (
	// The row is the lock: two runs of a stream save one after the other.
	lockProfile = `
insert into drift_profiles (connection_id, entity, record, profile) values ($1, $2, $3, $4)
on conflict (organization_id, connection_id, entity) do update set updated_at = now()
returning record, profile`
	updateProfile = `update drift_profiles set record = $3, profile = $4 where connection_id = $1 and entity = $2`
)

// Save compares what was seen since the last time with what came before, opens and resolves findings, and adds it to the stream's
// profile.
func (o *Observer) Save(ctx context.Context, tx pgx.Tx) error {
	empty := newProfile()
	before := newProfile()
	var record string
	var stored []byte
	entity := o.mapping.Entity()
	if err := tx.QueryRow(ctx, lockProfile, o.connection, entity, o.mapping.Record(), empty).Scan(&record, &stored); err != nil {
		return fmt.Errorf("profile of %s: %w", entity, err)
	}
	if record == o.mapping.Record() { // else the mapping reads other records than before
		if err := json.Unmarshal(stored, before); err != nil {
			return fmt.Errorf("profile of %s: %w", entity, err)
		}
	}
	found := compare(before, o.now, o.mapping)
	again, err := o.review(ctx, tx, found)
	if err != nil {
		return err
	}
	if err := o.open(ctx, tx, found); err != nil {
		return err
	}
	before.Merge(o.now)
	for _, f := range again { // what came back without a gap for a while always comes again
		if parent, at := before.at(f.Pointer); f.Kind == MissingField && at != nil && f.AcknowledgedAt == nil {
			at.Seen, at.Gap = parent.Objects, 0
		}
	}
	if _, err := tx.Exec(ctx, updateProfile, o.connection, entity, o.mapping.Record(), before); err != nil {
		return fmt.Errorf("profile of %s: %w", entity, err)
	}
	o.now, o.saved = newProfile(), true
	return nil
}

// opened is a finding that is open.
type opened struct {
	Finding
	clean int64
	codes []uint64
}

const (
	selectOpen = `select ` + columns + `, clean, codes from drift_findings where connection_id = $1 and entity = $2 and resolved_at is null for update`
	seeAgain   = `
update drift_findings set count = count + $2, of = of + $3, clean = $4, rule = nullif($5, ''),
	seen_at = case when $2 > 0 then now() else seen_at end,
	resolved_at = case when $6 then now() end
where id = $1`
)

// review looks after the findings that are open, and returns those that it resolved.
func (o *Observer) review(ctx context.Context, tx pgx.Tx, found []seen) (resolved []*opened, err error) {
	rows, _ := tx.Query(ctx, selectOpen, o.connection, o.mapping.Entity())
	open, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*opened, error) {
		f := &opened{}
		var codes []string
		err := row.Scan(append(f.fields(), &f.clean, &codes)...)
		for _, c := range codes {
			hash, parsed := strconv.ParseUint(c, 16, 64)
			f.codes, err = append(f.codes, hash), errors.Join(err, parsed)
		}
		return f, err
	})
	if err != nil {
		return nil, fmt.Errorf("findings that are open: %w", err)
	}
	var b pgx.Batch
	for _, f := range open {
		count, of := f.again(o.now)
		if slices.ContainsFunc(found, func(s seen) bool { return s.kind == f.Kind && s.pointer == f.Pointer }) {
			count, of = 0, 0 // open counts it
		} else if count > 0 {
			f.clean = 0
		} else {
			f.clean, of = f.clean+of, 0
		}
		done := f.clean >= cleanToResolved || f.Record != o.mapping.Record() || f.Kind == NewField && o.mapping.Expect(f.Pointer).Described
		if done {
			resolved = append(resolved, f)
		}
		b.Queue(seeAgain, f.ID, count, of, f.clean, o.ruleOf(f.Kind, f.Pointer), done)
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("look after findings: %w", err)
	}
	return resolved, nil
}

// Who acknowledged a finding did not know of another code or type.
const knownAlready = `excluded.codes <@ f.codes and coalesce(f.detail -> 'types', '[]') @> coalesce(excluded.detail -> 'types', '[]')`

const openFinding = `
insert into drift_findings as f (id, connection_id, entity, record, kind, pointer, rule, detail, codes, count, of, run_id)
values ($1, $2, $3, $4, $5, $6, nullif($7, ''), $8, $9, $10, $11, $12)
on conflict (organization_id, connection_id, entity, kind, pointer) where resolved_at is null do update set
	count = f.count + excluded.count, of = f.of + excluded.of, clean = 0, rule = excluded.rule, seen_at = now(),
	codes = array(select distinct unnest(f.codes || excluded.codes)),
	acknowledged_at = case when ` + knownAlready + ` then f.acknowledged_at end,
	acknowledged_by = case when ` + knownAlready + ` then f.acknowledged_by end,
	detail = f.detail || excluded.detail || jsonb_strip_nulls(jsonb_build_object(
		'before', coalesce(f.detail -> 'before', excluded.detail -> 'before'), 'limit', coalesce(f.detail -> 'limit', excluded.detail -> 'limit'),
		'types', (select jsonb_agg(distinct t) from jsonb_array_elements(coalesce(f.detail -> 'types', '[]') || coalesce(excluded.detail -> 'types', '[]')) t)))`

// open opens findings, and counts those that are open and were compared anew.
func (o *Observer) open(ctx context.Context, tx pgx.Tx, found []seen) error {
	var b pgx.Batch
	for _, s := range found {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("open a finding: %w", err)
		}
		codes := make([]string, len(s.codes))
		for i, hash := range s.codes {
			codes[i] = strconv.FormatUint(hash, 16)
		}
		b.Queue(openFinding, id, o.connection, o.mapping.Entity(), o.mapping.Record(), s.kind, s.pointer, o.ruleOf(s.kind, s.pointer), s.detail, codes,
			s.count, s.of, o.run)
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("open findings: %w", err)
	}
	return nil
}

// ruleOf is the rule of the mapping that a change concerns; "" if none. A new code is of concern where codes are translated.
func (o *Observer) ruleOf(kind Kind, pointer string) string {
	use := o.mapping.Use(pointer)
	if use == nil || kind == NewCode && !use.Coded {
		return ""
	}
	return use.Rule
}
