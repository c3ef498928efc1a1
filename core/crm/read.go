package crm

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Get returns the entities of a kind by id, deleted ones too (their DeletedAt is set). Unknown ids are absent.
func (s *Store) Get(ctx context.Context, tx pgx.Tx, k Kind, ids []uuid.UUID) (map[uuid.UUID]Entity, error) {
	return get(ctx, tx, k, ids, "")
}

// GetForUpdate is Get, and locks the rows until the transaction ends.
func (s *Store) GetForUpdate(ctx context.Context, tx pgx.Tx, k Kind, ids []uuid.UUID) (map[uuid.UUID]Entity, error) {
	return get(ctx, tx, k, ids, forUpdate)
}

// forUpdate locks in one order, whoever locks: no deadlock.
const forUpdate = " order by id for no key update"

// GetPart is Get, and reads no more than some of the fields, whether an entity is deleted, and its id: what else it has is
// empty here. It is for comparing very many entities, and must not be saved.
func (s *Store) GetPart(ctx context.Context, tx pgx.Tx, k Kind, ids []uuid.UUID, fields map[string]bool) (map[uuid.UUID]Entity, error) {
	var b pgx.Batch
	found := tableOf(k).reduced(fields).queueGet(&b, k, ids, "")
	if b.Len() == 0 {
		return found, nil
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("get parts of %d of %s: %w", len(ids), k.Plural(), err)
	}
	return found, nil
}

// reduced is the table with some of its columns and parts only.
func (t table) reduced(fields map[string]bool) table {
	t.columns = slices.Clone(t.columns)
	t.columns = slices.DeleteFunc(t.columns, func(f field) bool { return !fields[f.name] && f.name != "id" && f.name != "deleted_at" })
	t.reads = t.selection()
	t.parts = slices.Clone(t.parts)
	t.parts = slices.DeleteFunc(t.parts, func(p part) bool { return !fields[p.list] })
	return t
}

func get(ctx context.Context, tx pgx.Tx, k Kind, ids []uuid.UUID, tail string) (map[uuid.UUID]Entity, error) {
	var b pgx.Batch
	found := tableOf(k).queueGet(&b, k, ids, tail)
	if b.Len() == 0 {
		return found, nil
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("get %d of %s: %w", len(ids), k.Plural(), err)
	}
	return found, nil
}

// QueueGet is Get as part of a batch: the map is filled when the batch was sent.
func (s *Store) QueueGet(b *pgx.Batch, k Kind, ids []uuid.UUID) map[uuid.UUID]Entity {
	return tableOf(k).queueGet(b, k, ids, "")
}

func (t table) queueGet(b *pgx.Batch, k Kind, ids []uuid.UUID, tail string) map[uuid.UUID]Entity {
	found := make(map[uuid.UUID]Entity, len(ids))
	if len(ids) == 0 {
		return found
	}
	var entities []Entity
	is, of := named(ids)
	b.Queue(t.reads+" where id "+is+tail, of).Query(func(rows pgx.Rows) (err error) {
		entities, err = t.scanAll(k, rows)
		for _, e := range entities {
			found[e.head().ID] = e
		}
		return err
	})
	for i := range t.parts {
		p := &t.parts[i]
		p.queue(b, ids, func(rows pgx.Rows) error { return p.read(rows, entities) })
	}
	return found
}

// named is the condition that an id is one of some, and its argument. One is asked for most often, by who reads a page or a record,
// and an index answers that in order.
func named(ids []uuid.UUID) (is string, of any) {
	if len(ids) == 1 {
		return "= $1", ids[0]
	}
	return "= any($1)", ids
}

// query reads entities whole, their lists by one more round trip.
func (t table) query(ctx context.Context, tx pgx.Tx, k Kind, sql string, args ...any) ([]Entity, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	entities, err := t.scanAll(k, rows)
	if err != nil || len(entities) == 0 || len(t.parts) == 0 {
		return entities, err
	}
	return entities, t.readParts(ctx, tx, entities)
}

func (t table) readParts(ctx context.Context, tx pgx.Tx, entities []Entity) error {
	ids := idsOf(entities)
	var b pgx.Batch
	for i := range t.parts {
		p := &t.parts[i]
		p.queue(&b, ids, func(rows pgx.Rows) error { return p.read(rows, entities) })
	}
	return tx.SendBatch(ctx, &b).Close()
}

// queue asks for the items of entities, in their order.
func (p *part) queue(b *pgx.Batch, of []uuid.UUID, read func(pgx.Rows) error) {
	is, ids := named(of)
	b.Queue(p.reads+" where "+p.parent+" "+is+" order by "+p.parent+", seq", ids).Query(read)
}

// read appends the items to the entities' lists.
func (p *part) read(rows pgx.Rows, entities []Entity) error {
	lists := make(map[uuid.UUID]reflect.Value, len(entities))
	for _, e := range entities {
		lists[e.head().ID] = reflect.ValueOf(e).Elem().FieldByIndex(p.field.index)
	}
	for rows.Next() {
		var parent uuid.UUID
		item := reflect.New(p.field.goType.Elem()).Elem()
		if err := rows.Scan(targets(p.columns, item, &parent)...); err != nil {
			return err
		}
		if list, there := lists[parent]; there {
			list.Set(reflect.Append(list, item))
		}
	}
	return rows.Err()
}

// VersionRef names a version of an entity.
type VersionRef struct {
	ID      uuid.UUID
	Version int64
	Deleted bool
}

// IDsAfter returns the newest versions, those of deleted entities too, in the order of ids, from after (not included; the
// nil UUID to begin with) on.
func (s *Store) IDsAfter(ctx context.Context, tx pgx.Tx, k Kind, after uuid.UUID, limit int) ([]VersionRef, error) {
	name := tableNames(k).name
	rows, err := tx.Query(ctx, "select id, version, deleted_at is not null from "+name+" where id > $1 order by id limit $2", after, limit)
	if err != nil {
		return nil, fmt.Errorf("list ids of %s: %w", name, err)
	}
	refs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[VersionRef])
	if err != nil {
		return nil, fmt.Errorf("list ids of %s: %w", name, err)
	}
	return refs, nil
}

// FindByKey returns the ids of what is not deleted and has one of the values in a natural key: a customer's code, uscc
// or tax_id (a uscc is one as well), a contact's email, a product's sku, the number of a document. A value that several
// share is absent, since it does not say which is meant.
func (s *Store) FindByKey(ctx context.Context, tx pgx.Tx, k Kind, field string, values []string) (map[string]uuid.UUID, error) {
	t := tableNames(k)
	if !slices.Contains(t.keys, field) {
		return nil, fmt.Errorf("find %s by %q: only %v identify one", k, field, t.keys)
	}
	having := func(column string) string {
		return "select " + column + " as value, id from " + t.name + " where " + column + " = any($1) and deleted_at is null"
	}
	found := having(field)
	if k == KindCustomer && field == "tax_id" {
		found += " union " + having("uscc") // since 2015 a Chinese organization is taxed under it
	}
	rows, err := tx.Query(ctx, "select value, min(id::text)::uuid from ("+found+") k group by value having count(*) = 1", values)
	if err != nil {
		return nil, fmt.Errorf("find %s by %s: %w", k, field, err)
	}
	ids := make(map[string]uuid.UUID)
	var value string
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&value, &id}, func() error {
		ids[value] = id
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find %s by %s: %w", k, field, err)
	}
	return ids, nil
}

// FindNamed returns the id of what people call by this: a document's number, a customer's code, a product's sku.
// [ErrNotFound] if none or several have it, or the kind has no such name.
func (s *Store) FindNamed(ctx context.Context, tx pgx.Tx, k Kind, name string) (uuid.UUID, error) {
	for _, field := range []string{"number", "code", "sku"} {
		if !slices.Contains(tableNames(k).keys, field) {
			continue
		}
		found, err := s.FindByKey(ctx, tx, k, field, []string{name})
		if err != nil {
			return uuid.Nil, err
		}
		if id, ok := found[name]; ok {
			return id, nil
		}
	}
	return uuid.Nil, fmt.Errorf("%s %q: %w", k, name, ErrNotFound)
}
