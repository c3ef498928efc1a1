package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/schema"
)

const (
	walk = 1000 // rows looked at in a transaction
	idle = 5000 // ids of entities looked at in a transaction
)

const unread = `
select l.id, l.entity_id, l.remote_id, l.updated_at
from links l
where l.connection_id = $1 and l.entity = $2 and l.remote_id is not null and l.id > $4 and not exists (
	select from reconciled_records r where r.reconciliation_id = $3 and r.remote_id = l.remote_id)
order by l.id
limit $5`

// absent finds what is here and was not read there: what is linked with a record that did not come, and, where entities are
// pushed, what has no record at all.
func (c *comparison) absent(ctx context.Context, counts *Counts) error {
	for after, more := uuid.Nil, true; more; {
		err := c.as(ctx, func(tx pgx.Tx) error {
			rows, _ := tx.Query(ctx, unread, c.connection.ID, c.kind, c.id, after, walk)
			links, err := pgx.CollectRows(rows, pgx.RowToStructByPos[linked])
			if err != nil {
				return fmt.Errorf("links without a record: %w", err)
			}
			if more = len(links) == walk; more {
				after = links[walk-1].ID
			}
			pairs := make([]*pair, len(links))
			for i := range links {
				pairs[i] = &pair{remoteID: links[i].RemoteID, link: &links[i], entityID: links[i].EntityID}
			}
			return c.missingThere(ctx, tx, pairs, counts)
		})
		if err != nil {
			return err
		}
	}
	if !c.stream.Push {
		return nil
	}
	return c.neverSent(ctx, counts)
}

// missingThere keeps pairs without a record, of entities that live.
func (c *comparison) missingThere(ctx context.Context, tx pgx.Tx, pairs []*pair, counts *Counts) error {
	if err := c.entities(ctx, tx, pairs); err != nil {
		return err
	}
	var differences []*Difference
	for _, p := range pairs {
		if d := c.judge(p); d != nil {
			differences = append(differences, d)
			c.sums.add(p.ours, nil, 1)
			counts.Ours++
		}
	}
	if err := c.keep(ctx, tx, differences); err != nil {
		return err
	}
	return job.Advance(ctx, tx, c.task, job.Counts{}) // who lost the run must not go on
}

// The ids are all that there are from one to another, so their links lie beside each other, and are read in one go.
const withoutRecord = `
select i.id from unnest((select $3::uuid[])) as i (id)
except
select l.entity_id from links l
where l.connection_id = $1 and l.entity = $2 and l.entity_id > $4 and l.entity_id <= $5 and (l.remote_id is not null or l.state = 'unlinked')`

// neverSent walks through all entities. What somebody unlinked is not expected there.
func (c *comparison) neverSent(ctx context.Context, counts *Counts) error {
	for after, more := uuid.Nil, true; more; {
		err := c.as(ctx, func(tx pgx.Tx) error {
			refs, err := c.Entities.IDsAfter(ctx, tx, c.kind, after, idle)
			if err != nil {
				return err
			}
			if len(refs) == 0 {
				more = false
				return nil
			}
			first, last := after, refs[len(refs)-1].ID
			after, more = last, len(refs) == idle
			living := make([]uuid.UUID, 0, len(refs))
			for _, r := range refs {
				if !r.Deleted {
					living = append(living, r.ID)
				}
			}
			rows, _ := tx.Query(ctx, withoutRecord, c.connection.ID, c.kind, living, first, last)
			missing, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
			if err != nil {
				return fmt.Errorf("entities without a record: %w", err)
			}
			for some := range slices.Chunk(missing, walk) {
				pairs := make([]*pair, len(some))
				for i, id := range some {
					pairs[i] = &pair{entityID: id}
				}
				if err := c.missingThere(ctx, tx, pairs, counts); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// recognize looks at records that are linked with nothing: by their keys, one may be an entity that has no record, or
// whose record is another one.
func (c *comparison) recognize(ctx context.Context, counts *Counts) error {
	return c.eachFound(ctx, []Kind{MissingHere}, func(some []*Difference) error {
		var open []*Difference
		var records []connector.Record
		for _, d := range some {
			if d.EntityID == nil && d.record != nil {
				open, records = append(open, d), append(records, d.asRecord())
			}
		}
		if len(open) == 0 {
			return nil
		}
		docs, _, err := c.Puller.Translate(ctx, c.connection, string(c.kind), records)
		if err != nil {
			return err
		}
		return c.as(ctx, func(tx pgx.Tx) error {
			found, err := c.Puller.Recognize(ctx, tx, c.connection, string(c.kind), docs)
			if err != nil {
				return err
			}
			known := map[*Difference]uuid.UUID{}
			for i, d := range open {
				if found[i] != uuid.Nil {
					known[d] = found[i]
				}
			}
			return c.pairUp(ctx, tx, open, known, counts)
		})
	})
}

const (
	recordsOf = `
select i.id, coalesce(l.remote_id, u.remote_id, ''), coalesce(l.state = 'unlinked', false)
from unnest((select $3::uuid[])) as i (id)
left join lateral (select * from links l where l.connection_id = $1 and l.entity = $2 and l.entity_id = i.id offset 0) l on true
left join lateral (
	select d.remote_id from differences d where d.reconciliation_id = $4 and d.entity_id = i.id and d.kind = 'unlinked' limit 1
) u on true`
	deletePaired = `
delete from differences where reconciliation_id = $1 and kind = 'missing_there' and remote_id is null and entity_id = any($2)`
	updateRecognized = `update differences set kind = $2, entity_id = $3, message = nullif($4, ''), ours = $5, digest = $6, said = $7 where id = $1`
)

// pairUp makes of records whose entity is known pairs that nobody linked, or duplicates of the record it is linked with.
func (c *comparison) pairUp(ctx context.Context, tx pgx.Tx, open []*Difference, known map[*Difference]uuid.UUID, counts *Counts) error {
	entityIDs := make([]uuid.UUID, 0, len(known))
	for _, id := range known {
		entityIDs = append(entityIDs, id)
	}
	rows, _ := tx.Query(ctx, recordsOf, c.connection.ID, c.kind, entityIDs, c.id)
	record, apart := map[uuid.UUID]string{}, map[uuid.UUID]bool{}
	var id uuid.UUID
	var remoteID string
	var unlinked bool
	_, err := pgx.ForEachRow(rows, []any{&id, &remoteID, &unlinked}, func() error {
		record[id], apart[id] = remoteID, unlinked
		return nil
	})
	if err != nil {
		return fmt.Errorf("records of entities: %w", err)
	}
	pairs := make([]link.Pair, 0, len(known))
	for d, id := range known {
		pairs = append(pairs, link.Pair{EntityID: id, RemoteID: d.RemoteID})
	}
	rejected, err := link.Rejected(ctx, tx, c.connection.ID, string(c.kind), pairs)
	if err != nil {
		return err
	}
	entities, err := c.Entities.Get(ctx, tx, c.kind, entityIDs)
	if err != nil {
		return err
	}
	var paired []uuid.UUID
	for _, d := range open {
		id, ok := known[d]
		if !ok || apart[id] || rejected[link.Pair{EntityID: id, RemoteID: d.RemoteID}] { // or somebody said that they are two
			continue
		}
		if e := entities[id]; e == nil || crm.HeadOf(e).DeletedAt != nil {
			continue
		}
		if other := record[id]; other != "" {
			d.Kind, d.Message, d.Said = Duplicate, "the same as record "+other, schema.Say("same_record", other)
		} else {
			d.Kind, d.Ours = Unlinked, amountOf(entities[id])
			record[id] = d.RemoteID // another record with its keys is a duplicate of this one
			paired = append(paired, id)
			if !c.stream.Push { // else it was counted as missing there
				c.sums.add(d.Ours, nil, 1)
				counts.Ours++
			}
		}
		d.EntityID = &id
		if d.digest, err = d.digestOf(); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, updateRecognized, d.ID, d.Kind, id, d.Message, d.Ours, d.digest, d.Said); err != nil {
			return fmt.Errorf("keep what was recognized: %w", err)
		}
	}
	_, err = tx.Exec(ctx, deletePaired, c.id, paired)
	return err
}
