package duplicate

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/attachment"
	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Unmerged is what became of a merge that was undone.
type Unmerged struct {
	Merge      Merge       `json:"merge"`
	Fields     []string    `json:"fields" nullable:"false" doc:"The survivor's fields that stay, since somebody changed them after the merge."`
	References []crm.Moved `json:"references" nullable:"false" doc:"References that stay where they are, since they were changed after the merge."`
	Links      []LinkMoved `json:"links" nullable:"false" doc:"Links that stay the survivor's, or are gone."`
}

const mergeColumns = `m.id, m.entity, m.survivor_id, m.loser_id, m."references", m.links, m.attachments, m.merged_at, m.merged_by, m.unmerged_at, coalesce(m.unmerged_by, '')`

// Merges returns the merges that an entity took part in, on either side, the newest first; of all for the nil UUID.
func Merges(ctx context.Context, tx pgx.Tx, entity uuid.UUID, limit int) ([]Merge, error) {
	return postgres.All(ctx, tx, "list merges", pgx.RowToStructByPos[Merge], "select "+mergeColumns+" from merge_log m where $1::uuid is null or $1 in (m.survivor_id, m.loser_id) order by m.merged_at desc, m.id desc limit $2",
		postgres.OrNull(entity), limit)
}

// Undo makes two of what a merge made one: the loser is there again as it was, and so are the survivor's fields,
// references, links and files that nobody has changed since. What stays is returned. A code that somebody else has taken
// meanwhile is [schema.Violations]; a survivor that is gone itself is [crm.ErrNotFound].
func Undo(ctx context.Context, tx pgx.Tx, store *crm.Store, by crm.By, id uuid.UUID) (Unmerged, error) {
	m, was, err := readMerge(ctx, tx, id)
	if err != nil {
		return Unmerged{}, fmt.Errorf("undo merge %s: %w", id, err)
	}
	if was.Loser == nil { // package privacy took it out
		return Unmerged{}, fmt.Errorf("undo merge %s: %w", id, schema.Violations{{Rule: "erased", Message: "cannot be undone: what it would bring back was erased"}})
	}
	u := Unmerged{Fields: []string{}, Links: []LinkMoved{}}
	if u.Fields, err = restoreSurvivor(ctx, tx, store, by, m, was); err != nil {
		return Unmerged{}, fmt.Errorf("undo merge %s: %w", id, err)
	}
	loser, err := crm.Decode(m.Kind, was.Loser)
	if err != nil {
		return Unmerged{}, fmt.Errorf("undo merge %s: the loser as logged: %w", id, err)
	}
	if err := store.Revive(ctx, tx, by, loser); err != nil {
		return Unmerged{}, fmt.Errorf("undo merge %s: %w", id, err)
	}
	if u.References, err = store.PointBack(ctx, tx, by, m.SurvivorID, m.LoserID, m.References); err != nil {
		return Unmerged{}, fmt.Errorf("undo merge %s: %w", id, err)
	}
	if u.Links, err = moveLinksBack(ctx, tx, m, crm.HeadOf(loser).Version); err != nil {
		return Unmerged{}, fmt.Errorf("undo merge %s: %w", id, err)
	}
	_, err = attachment.Move(ctx, tx, attachment.Owner{Entity: string(m.Kind), ID: m.SurvivorID}, m.LoserID, m.Attachments)
	if err != nil {
		return Unmerged{}, fmt.Errorf("undo merge %s: %w", id, err)
	}
	err = tx.QueryRow(ctx, "update merge_log set unmerged_at = now(), unmerged_by = crmhub_actor() where id = $1 returning unmerged_at, unmerged_by", id).
		Scan(&m.UnmergedAt, &m.UnmergedBy)
	if err != nil {
		return Unmerged{}, fmt.Errorf("undo merge %s: %w", id, err)
	}
	_, err = tx.Exec(ctx, `update duplicate_pairs set status = 'dismissed', updated_at = now(), updated_by = crmhub_actor()
		where entity = $1 and a_id = least($2::uuid, $3) and b_id = greatest($2::uuid, $3)`, m.Kind, m.SurvivorID, m.LoserID)
	if err != nil {
		return Unmerged{}, fmt.Errorf("undo merge %s: %w", id, err)
	}
	u.Merge = m
	return u, nil
}

func readMerge(ctx context.Context, tx pgx.Tx, id uuid.UUID) (m Merge, was before, err error) {
	err = tx.QueryRow(ctx, "select "+mergeColumns+", m.before from merge_log m where m.id = $1 and m.unmerged_at is null for update", id).Scan(
		&m.ID, &m.Kind, &m.SurvivorID, &m.LoserID, &m.References, &m.Links, &m.Attachments, &m.MergedAt, &m.MergedBy, &m.UnmergedAt, &m.UnmergedBy, &was)
	return m, was, notFound(err)
}

// restoreSurvivor gives the survivor's fields back what they had, where they still have what the merge gave them.
func restoreSurvivor(ctx context.Context, tx pgx.Tx, store *crm.Store, by crm.By, m Merge, was before) (left []string, err error) {
	locked, err := store.GetForUpdate(ctx, tx, m.Kind, []uuid.UUID{m.SurvivorID})
	if err != nil {
		return nil, err
	}
	stored := locked[m.SurvivorID]
	if stored == nil || crm.HeadOf(stored).DeletedAt != nil {
		return nil, crm.ErrNotFound
	}
	now, err := crm.Document(stored)
	if err != nil {
		return nil, err
	}
	given, had, err := documents(m.Kind, was.Merged, was.Survivor)
	if err != nil {
		return nil, err
	}
	left = []string{}
	for _, name := range crm.Writable(m.Kind) {
		switch {
		case reflect.DeepEqual(given[name], had[name]):
		case !reflect.DeepEqual(now[name], given[name]):
			left = append(left, name)
		case had[name] == nil:
			delete(now, name)
		default:
			now[name] = had[name]
		}
	}
	restored, err := crm.FromDocument(m.Kind, now)
	if err != nil {
		return nil, err
	}
	*crm.HeadOf(restored) = *crm.HeadOf(stored)
	by.Reviving = m.LoserID // it comes back after the survivor has given back its keys
	return left, store.Save(ctx, tx, by, []crm.Entity{restored})
}

func documents(k crm.Kind, a, b json.RawMessage) (x, y map[string]any, err error) {
	docs := make([]map[string]any, 2)
	for i, raw := range []json.RawMessage{a, b} {
		e, err := crm.Decode(k, raw)
		if err != nil {
			return nil, nil, fmt.Errorf("a document as logged: %w", err)
		}
		if docs[i], err = crm.Document(e); err != nil {
			return nil, nil, err
		}
	}
	return docs[0], docs[1], nil
}

func moveLinksBack(ctx context.Context, tx pgx.Tx, m Merge, version int64) (left []LinkMoved, err error) {
	var ids []uuid.UUID
	for _, l := range m.Links {
		if l.Moved {
			ids = append(ids, l.ID)
		}
	}
	left = []LinkMoved{}
	if len(ids) == 0 {
		return left, nil
	}
	moved, _, err := link.Move(ctx, tx, string(m.Kind), m.SurvivorID, m.LoserID, version, ids)
	if err != nil {
		return nil, err
	}
	for _, l := range m.Links {
		if l.Moved && !slices.ContainsFunc(moved, func(b link.Link) bool { return b.ID == l.ID }) {
			left = append(left, l)
		}
	}
	return left, nil
}
