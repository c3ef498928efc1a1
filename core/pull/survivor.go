package pull

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/link"
	"crmhub/core/mapping"
)

// Of two that were merged after one had merged with a third, the last survivor counts.
const selectSurvivors = `
with recursive merged (entity, loser_id, id) as (
	select m.entity, m.loser_id, m.survivor_id
	from unnest($1::text[], $2::uuid[]) as i (entity, id) join merge_log m on m.entity = i.entity and m.loser_id = i.id and m.unmerged_at is null
	union
	select l.entity, l.loser_id, m.survivor_id
	from merged l join merge_log m on m.entity = l.entity and m.loser_id = l.id and m.unmerged_at is null
)
select l.entity, l.loser_id, l.id
from merged l
where not exists (select from merge_log m where m.entity = l.entity and m.loser_id = l.id and m.unmerged_at is null)`

// survivors has links that records refer to lead to whom their entities were merged into: where both had a record there, each
// keeps its own, and what comes for the loser's is the survivor's.
func survivors(ctx context.Context, tx pgx.Tx, links map[mapping.Ref]link.Link) error {
	if len(links) == 0 {
		return nil
	}
	entities, ids := make([]string, 0, len(links)), make([]uuid.UUID, 0, len(links))
	for _, l := range links {
		entities, ids = append(entities, l.Entity), append(ids, l.EntityID)
	}
	type one struct {
		entity string
		id     uuid.UUID
	}
	into := map[one]uuid.UUID{}
	rows, _ := tx.Query(ctx, selectSurvivors, entities, ids)
	var of one
	var survivor uuid.UUID
	_, err := pgx.ForEachRow(rows, []any{&of.entity, &of.id, &survivor}, func() error {
		into[of] = survivor
		return nil
	})
	if err != nil {
		return fmt.Errorf("whom %d entities were merged into: %w", len(links), err)
	}
	for ref, l := range links {
		if survivor, merged := into[one{l.Entity, l.EntityID}]; merged {
			l.EntityID = survivor
			links[ref] = l
		}
	}
	return nil
}
