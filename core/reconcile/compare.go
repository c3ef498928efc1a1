package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// pair is a record and the entity it is linked with; one of them may be missing.
type pair struct {
	remoteID string
	record   *connector.Record // nil: there is none
	doc      map[string]any    // the record as the entity's fields
	fault    error             // why there is no doc

	link     *linked // nil: the record is linked with nothing
	entityID uuid.UUID
	entity   crm.Entity // nil: there is none
	same     bool       // record and entity are both there and do not differ; of the entity only what tells so was read

	ours, theirs *Amount // set by judge
}

// linked is what a comparison needs of a link.
type linked struct {
	ID        uuid.UUID
	EntityID  uuid.UUID
	RemoteID  string
	UpdatedAt time.Time
}

func (p *pair) living() bool { return p.entity != nil && crm.HeadOf(p.entity).DeletedAt == nil }

const linksOf = `
select l.id, l.entity_id, l.remote_id, l.updated_at
from unnest((select $3::text[])) as i (id)
cross join lateral (
	select l.id, l.entity_id, l.remote_id, l.updated_at from links l where l.connection_id = $1 and l.entity = $2 and l.remote_id = i.id offset 0
) l`

// pairs finds the entities of records.
func (c *comparison) pairs(ctx context.Context, tx pgx.Tx, p *page) ([]*pair, error) {
	all, ids := make([]*pair, len(p.records)), make([]string, len(p.records))
	of := make(map[string]*pair, len(p.records))
	for i := range p.records {
		r := &p.records[i]
		all[i] = &pair{remoteID: r.ID, record: r, doc: p.docs[i], fault: p.faults[i]}
		ids[i], of[r.ID] = r.ID, all[i]
	}
	rows, _ := tx.Query(ctx, linksOf, c.connection.ID, c.kind, ids)
	links, err := pgx.CollectRows(rows, pgx.RowToStructByPos[linked])
	if err != nil {
		return nil, fmt.Errorf("links of records: %w", err)
	}
	for _, l := range links {
		pair := of[l.RemoteID]
		pair.link, pair.entityID = &l, l.EntityID
	}
	return all, c.entities(ctx, tx, all)
}

// entities reads the entities of pairs: of those that are the same as their record, as nearly all are, what tells so, of the others
// all there is.
func (c *comparison) entities(ctx context.Context, tx pgx.Tx, pairs []*pair) error {
	if err := c.look(pairs, func(p *pair) bool { return p.doc != nil && p.fault == nil }, func(ids []uuid.UUID) (map[uuid.UUID]crm.Entity, error) {
		return c.Entities.GetPart(ctx, tx, c.kind, ids, c.telling)
	}); err != nil {
		return err
	}
	return c.look(pairs, func(p *pair) bool { return !p.same }, func(ids []uuid.UUID) (map[uuid.UUID]crm.Entity, error) {
		return c.Entities.Get(ctx, tx, c.kind, ids)
	})
}

// look reads the entities of some of the pairs, and compares these.
func (c *comparison) look(pairs []*pair, which func(*pair) bool, get func([]uuid.UUID) (map[uuid.UUID]crm.Entity, error)) error {
	ids := make([]uuid.UUID, 0, len(pairs))
	some := make([]*pair, 0, len(pairs))
	for _, p := range pairs {
		if p.entityID != uuid.Nil && which(p) {
			ids, some = append(ids, p.entityID), append(some, p)
		}
	}
	found, err := get(ids)
	if err != nil {
		return err
	}
	for _, p := range some {
		p.entity = found[p.entityID]
		p.same = c.equal(p)
	}
	return nil
}

// judge says how a pair differs, nil if it does not, and sets what it adds to the sums.
func (c *comparison) judge(p *pair) *Difference {
	if p.living() {
		p.ours = amountOf(p.entity)
	}
	if p.same {
		p.theirs = p.ours
		return nil
	}
	return c.differing(p)
}

// equal reports whether a pair is whole and does not differ.
func (c *comparison) equal(p *pair) bool {
	if p.record == nil || p.fault != nil || !p.living() {
		return false
	}
	ours, err := crm.Part(p.entity, c.compared)
	return err == nil && len(link.Differ(ours, p.doc, c.mapping.Fields())) == 0
}

func (c *comparison) differing(p *pair) *Difference {
	var ours map[string]any
	if p.living() {
		var err error
		if ours, err = crm.Document(p.entity); err != nil {
			p.fault = errors.Join(p.fault, err)
		}
	}
	d := &Difference{EntityID: postgres.OrNull(p.entityID), RemoteID: p.remoteID, Title: c.title(ours, p.doc), Fields: []Field{}, Ours: p.ours}
	switch {
	case p.record == nil && ours == nil:
		return nil
	case p.record == nil:
		d.Kind = MissingThere
	case p.fault != nil:
		d.Kind = Unreadable
		d.Message, d.Said = unreadable(p.fault)
	case ours == nil:
		d.Kind = MissingHere
		if p.entity != nil {
			d.Message, d.Said = "the entity was deleted here", schema.Say("deleted_here")
		}
		p.theirs = c.theirAmount(nil, p.doc)
	default:
		d.Kind = Different
		for _, f := range link.Differ(ours, p.doc, c.mapping.Fields()) {
			d.Fields = append(d.Fields, Field{Field: f.Field, Ours: f.Ours, Theirs: f.Theirs})
		}
		p.theirs = c.theirAmount(ours, p.doc)
	}
	d.Theirs = p.theirs
	if p.record != nil {
		d.record = &stored{Version: p.record.Version, UpdatedAt: p.record.UpdatedAt, Data: p.record.Data}
	}
	return d
}

func (c *comparison) theirAmount(ours, theirs map[string]any) *Amount {
	if !hasAmounts(c.kind) {
		return nil
	}
	return theirAmount(c.kind, ours, theirs)
}

// unreadable says why a record cannot be read, without values.
func unreadable(err error) (string, *schema.Saying) {
	var vs schema.Violations
	var missing *mapping.MissingLink
	switch {
	case errors.As(err, &missing):
		return "it refers to a " + missing.Refs[0].Entity + " that is not linked", schema.Say("refers_unlinked", missing.Refs[0].Entity)
	case errors.As(err, &vs) && len(vs) > 0:
		return vs[0].Pointer + ": " + vs[0].Message, vs[:1].Saying()
	}
	return err.Error(), nil
}

// title is how people know the thing: its number, code or name.
func (c *comparison) title(docs ...map[string]any) string {
	for _, doc := range docs {
		for _, field := range []string{"number", "code", "sku", crm.TitleField(c.kind)} {
			if s, ok := doc[field].(string); ok && s != "" {
				return s
			}
		}
	}
	return ""
}

const snapshotsOf = `
select l.entity_id, l.snapshot::text
from unnest((select $3::uuid[])) as i (id)
cross join lateral (select * from links l where l.connection_id = $1 and l.entity = $2 and l.entity_id = i.id offset 0) l
where l.snapshot is not null`

// agreed fills in what both sides agreed on last of the fields that differ.
func (c *comparison) agreed(ctx context.Context, tx pgx.Tx, differences []*Difference) error {
	of := map[uuid.UUID]*Difference{}
	var ids []uuid.UUID
	for _, d := range differences {
		if d.Kind == Different {
			of[*d.EntityID], ids = d, append(ids, *d.EntityID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, _ := tx.Query(ctx, snapshotsOf, c.connection.ID, c.kind, ids)
	var id uuid.UUID
	var snapshot string
	_, err := pgx.ForEachRow(rows, []any{&id, &snapshot}, func() error {
		doc, err := schema.DecodeJSON([]byte(snapshot))
		if err != nil {
			return err
		}
		base, _ := doc.(map[string]any)
		for i, f := range of[id].Fields {
			of[id].Fields[i].Agreed = base[f.Field]
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("what was agreed on: %w", err)
	}
	return nil
}

// Of what was erased at somebody's request it is kept that it differs, and nothing of what the other side still says.
const insertDifferences = `
insert into differences (id, reconciliation_id, kind, entity_id, remote_id, title, message, said, fields, ours, theirs, record, digest, found_at)
select d.id, $1, d.kind, d.entity_id, nullif(d.remote_id, ''), case when x.entity_id is null then nullif(d.title, '') end,
	nullif(d.message, ''), d.said::jsonb, case when x.entity_id is null then d.fields::jsonb else '[]' end, case when x.entity_id is null then d.ours::jsonb end,
	case when x.entity_id is null then d.theirs::jsonb end, case when x.entity_id is null then d.record::jsonb end, d.digest, clock_timestamp()
from unnest($2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bytea[], $13::text[])
	as d (id, kind, entity_id, remote_id, title, message, fields, ours, theirs, record, digest, said)
left join erased x on x.entity_id = d.entity_id`

// keep stores differences. One that has an id already is replaced: it was looked at again.
func (c *comparison) keep(ctx context.Context, tx pgx.Tx, differences []*Difference) error {
	n := len(differences)
	if n == 0 {
		return nil
	}
	ids, entityIDs := make([]uuid.UUID, n), make([]*uuid.UUID, n)
	kinds, remoteIDs, titles, messages := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	fields, ours, theirs, records, said := make([]*string, n), make([]*string, n), make([]*string, n), make([]*string, n), make([]*string, n)
	digests := make([][]byte, n)
	for i, d := range differences {
		var err error
		if d.ID == uuid.Nil {
			if d.ID, err = uuid.NewV7(); err != nil {
				return fmt.Errorf("keep differences: %w", err)
			}
		}
		ids[i], entityIDs[i], kinds[i], remoteIDs[i], titles[i], messages[i] = d.ID, d.EntityID, string(d.Kind), d.RemoteID, d.Title, d.Message
		if digests[i], err = d.digestOf(); err != nil {
			return err
		}
		for to, v := range map[**string]any{&fields[i]: d.Fields, &ours[i]: d.Ours, &theirs[i]: d.Theirs, &records[i]: d.record, &said[i]: d.Said} {
			if *to, err = jsonText(v); err != nil {
				return fmt.Errorf("keep differences: %w", err)
			}
		}
	}
	_, err := tx.Exec(ctx, insertDifferences, c.id, ids, kinds, entityIDs, remoteIDs, titles, messages, fields, ours, theirs, records, digests, said)
	if err != nil {
		return fmt.Errorf("keep %d differences: %w", n, err)
	}
	return nil
}

// digestOf is equal for the same difference found again: the same things that differ in the same values.
func (d *Difference) digestOf() ([]byte, error) {
	fields := make([]any, len(d.Fields))
	for i, f := range d.Fields {
		fields[i] = []any{f.Field, f.Ours, f.Theirs}
	}
	b, err := json.Marshal([]any{d.Kind, d.EntityID, d.RemoteID, d.Message, fields})
	if err != nil {
		return nil, fmt.Errorf("digest of a difference: %w", err)
	}
	sum := sha256.Sum256(b)
	return sum[:], nil
}
