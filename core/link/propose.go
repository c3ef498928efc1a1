package link

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/match"
	"crmhub/core/schema"
)

// One that reads or brings in records of a stream at a time, in whichever process: two would find the same record new.
const lockStream = `select pg_advisory_xact_lock(hashtextextended('crmhub pull ' || $1::text || ' ' || $2::text, 0))`

// LockStream keeps others from bringing in records of an entity on a connection until the transaction ends.
func LockStream(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string) error {
	if _, err := tx.Exec(ctx, lockStream, connection, entity); err != nil {
		return fmt.Errorf("lock the stream of %s: %w", entity, err)
	}
	return nil
}

// Held is a record as it came while its proposal is open.
type Held struct {
	RemoteID string          `json:"remote_id"`
	Deleted  bool            `json:"deleted"`
	Record   json.RawMessage `json:"record"`
	Theirs   map[string]any  `json:"theirs"` // nil leaves what is known
}

const heldRecords = `select p.remote_id from proposals p where p.connection_id = $1 and p.entity = $2 and p.state = 'open' and p.remote_id = any($3)`

// HeldRecords returns those of some records that an open proposal keeps from being pulled.
func HeldRecords(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, remoteIDs []string) (map[string]bool, error) {
	rows, _ := tx.Query(ctx, heldRecords, connection, entity, remoteIDs)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("records with a proposal: %w", err)
	}
	return setOf(ids), nil
}

const renewProposals = `
update proposals p set record = i.record, theirs = coalesce(i.theirs, p.theirs), state = case when i.deleted then 'gone' else 'open' end,
	changed_at = case when i.deleted then now() end
from json_to_recordset($3) as i (remote_id text, deleted boolean, record jsonb, theirs jsonb)
where p.connection_id = $1 and p.entity = $2 and p.state = 'open' and p.remote_id = i.remote_id
returning p.id, i.deleted`

// RenewProposals keeps the newest state of records whose proposals are open, so that nothing is lost until somebody decides.
func RenewProposals(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, records []Held) error {
	if len(records) == 0 {
		return nil
	}
	rows, err := json.Marshal(records)
	if err != nil {
		return fmt.Errorf("renew proposals: %w", err)
	}
	var gone []uuid.UUID
	var id uuid.UUID
	var deleted bool
	answer, _ := tx.Query(ctx, renewProposals, connection, entity, string(rows))
	_, err = pgx.ForEachRow(answer, []any{&id, &deleted}, func() error {
		if deleted {
			gone = append(gone, id)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("renew proposals: %w", err)
	}
	return dropCandidates(ctx, tx, connection, entity, nil, gone)
}

const proposed = `
select distinct c.entity_id from proposal_candidates c where c.connection_id = $1 and c.entity = $2 and c.entity_id = any($3)`

// QueueProposed asks, as part of a batch, which entities are candidates of open proposals: a record of theirs may be there
// already. The map is filled when the batch was sent.
func QueueProposed(b *pgx.Batch, connection uuid.UUID, entity string, ids []uuid.UUID) map[uuid.UUID]bool {
	is := map[uuid.UUID]bool{}
	b.Queue(proposed, connection, entity, ids).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		_, err := pgx.ForEachRow(rows, []any{&id}, func() error { is[id] = true; return nil })
		return err
	})
	return is
}

// Pair is an entity and a record of the kind and connection that are spoken of.
type Pair struct {
	EntityID uuid.UUID
	RemoteID string
}

const (
	selectRejected = `
select r.entity_id, r.remote_id
from unnest($3::uuid[], $4::text[]) as i (entity_id, remote_id)
join rejected_pairs r on r.connection_id = $1 and r.entity = $2 and r.remote_id = i.remote_id and r.entity_id = i.entity_id`
	insertRejected = `
insert into rejected_pairs (connection_id, entity, entity_id, remote_id)
select distinct $1::uuid, $2, i.entity_id, i.remote_id from unnest($3::uuid[], $4::text[]) as i (entity_id, remote_id)
on conflict do nothing`
	deleteRejected = `
delete from rejected_pairs r using unnest($3::uuid[], $4::text[]) as i (entity_id, remote_id)
where r.connection_id = $1 and r.entity = $2 and r.remote_id = i.remote_id and r.entity_id = i.entity_id`
)

// Rejected returns those of some pairs of which somebody said that they are two.
func Rejected(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, pairs []Pair) (map[Pair]bool, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	entityIDs, remoteIDs := split(pairs)
	rows, _ := tx.Query(ctx, selectRejected, connection, entity, entityIDs, remoteIDs)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Pair])
	if err != nil {
		return nil, fmt.Errorf("rejected pairs: %w", err)
	}
	return setOf(all), nil
}

// Reject remembers that the two of each pair are two, and takes the entities from the candidates of the records' proposals.
func Reject(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, pairs []Pair) error {
	if len(pairs) == 0 {
		return nil
	}
	entityIDs, remoteIDs := split(pairs)
	if _, err := tx.Exec(ctx, insertRejected, connection, entity, entityIDs, remoteIDs); err != nil {
		return fmt.Errorf("reject %d pairs: %w", len(pairs), err)
	}
	const drop = `
delete from proposal_candidates c using unnest($3::uuid[], $4::text[]) as i (entity_id, remote_id), proposals p
where p.connection_id = $1 and p.entity = $2 and p.state = 'open' and p.remote_id = i.remote_id and c.proposal_id = p.id and c.entity_id = i.entity_id
returning c.proposal_id, c.entity_id`
	rows, err := tx.Query(ctx, drop, connection, entity, entityIDs, remoteIDs)
	return afterDrop(ctx, tx, connection, entity, rows, err)
}

const closeProposals = `
update proposals p set state = $3, entity_id = i.entity_id, record = null, theirs = null, changed_at = now(), changed_by = crmhub_actor()
from unnest($4::uuid[], $5::text[]) as i (entity_id, remote_id)
where p.connection_id = $1 and p.entity = $2 and p.state = 'open' and p.remote_id = i.remote_id
returning p.id`

// CloseProposals settles the open proposals of records that were linked, or of which entities were made. The entities are
// candidates of no other any more.
func CloseProposals(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, state ProposalState, pairs []Pair) error {
	entityIDs, remoteIDs := split(pairs)
	rows, _ := tx.Query(ctx, closeProposals, connection, entity, state, entityIDs, remoteIDs)
	closed, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("settle %d proposals: %w", len(pairs), err)
	}
	return dropCandidates(ctx, tx, connection, entity, entityIDs, closed)
}

const (
	letGo        = `update proposals p set state = 'created' where p.id = any($1) and p.state = 'open'`
	settlePulled = `
update proposals p set state = case when i.failed then 'open' else 'created' end, record = case when i.failed then p.record end,
	theirs = case when i.failed then p.theirs end, changed_at = now(), changed_by = crmhub_actor(), entity_id = (
		select l.entity_id from links l where l.connection_id = $1 and l.entity = $2 and l.remote_id = p.remote_id)
from (select id, id = any($4) as failed from unnest($3::uuid[]) as i (id)) i
where p.id = i.id`
)

// SettleByPull lets the records of open proposals be brought in by fn, as new entities. Those of which fn says that they failed
// stay open.
func SettleByPull(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, proposals []uuid.UUID, fn func() (failed []uuid.UUID, err error)) error {
	if _, err := tx.Exec(ctx, letGo, proposals); err != nil {
		return fmt.Errorf("let %d records be pulled: %w", len(proposals), err)
	}
	failed, err := fn()
	if err != nil {
		return err
	}
	if failed == nil {
		failed = []uuid.UUID{} // any(null) is neither true nor false
	}
	if _, err := tx.Exec(ctx, settlePulled, connection, entity, proposals, failed); err != nil {
		return fmt.Errorf("settle %d proposals: %w", len(proposals), err)
	}
	return nil
}

// dropCandidates takes entities from all candidates, and all candidates from proposals.
func dropCandidates(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, entityIDs, proposals []uuid.UUID) error {
	if len(entityIDs)+len(proposals) == 0 {
		return nil
	}
	const drop = `
delete from proposal_candidates c where c.connection_id = $1 and c.entity = $2 and (c.entity_id = any($3) or c.proposal_id = any($4))
returning c.proposal_id, c.entity_id`
	rows, err := tx.Query(ctx, drop, connection, entity, entityIDs, proposals)
	return afterDrop(ctx, tx, connection, entity, rows, err)
}

// ClassMatching is the class of the cause of links that a push has parked because of an open proposal.
const ClassMatching = "matching"

const (
	pushAgain = `
update links l set next_attempt_at = now(), updated_at = now()
where l.connection_id = $1 and l.entity = $2 and l.entity_id = any($3) and l.state = 'parked' and l.cause ->> 'class' = '` + ClassMatching + `'`
	rivals = `select distinct c.proposal_id from proposal_candidates c where c.connection_id = $1 and c.entity = $2 and c.entity_id = any($3)`
)

// afterDrop judges anew what lost a candidate or a rival, and lets the push look again at entities that are candidates no more.
func afterDrop(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, dropped pgx.Rows, err error) error {
	if err != nil {
		return fmt.Errorf("take away candidates: %w", err)
	}
	var proposals, entities []uuid.UUID
	var p, e uuid.UUID
	_, err = pgx.ForEachRow(dropped, []any{&p, &e}, func() error {
		proposals, entities = append(proposals, p), append(entities, e)
		return nil
	})
	if err != nil || len(proposals) == 0 {
		return err
	}
	if _, err := tx.Exec(ctx, pushAgain, connection, entity, entities); err != nil {
		return fmt.Errorf("let candidates be pushed: %w", err)
	}
	rows, _ := tx.Query(ctx, rivals, connection, entity, entities)
	more, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("rivals of candidates: %w", err)
	}
	return Classify(ctx, tx, connection, entity, slices.Concat(proposals, more))
}

const upsertProposals = `
insert into proposals as p (id, matching_id, connection_id, entity, remote_id, title, theirs, record, message, said, class)
select i.id, $3, $1, $2, i.remote_id, nullif(i.title, ''), i.theirs, i.record, nullif(i.message, ''), i.said, i.class
from json_to_recordset($4) as i (id uuid, remote_id text, title text, theirs jsonb, record jsonb, message text, said jsonb, class text)
on conflict (organization_id, connection_id, entity, remote_id) where state = 'open' do update set
	matching_id = excluded.matching_id, title = excluded.title, theirs = excluded.theirs, record = excluded.record, message = excluded.message, said = excluded.said,
	class = excluded.class
returning p.id, p.remote_id`

const insertCandidates = `
insert into proposal_candidates (proposal_id, connection_id, entity, entity_id, score, reasons)
select i.proposal_id, $1, $2, i.entity_id, i.score, i.reasons
from json_to_recordset($3) as i (proposal_id uuid, entity_id uuid, score integer, reasons jsonb)`

// New is a proposal to be kept.
type New struct {
	RemoteID   string          `json:"remote_id"`
	Title      string          `json:"title"`
	Theirs     map[string]any  `json:"theirs"`
	Record     json.RawMessage `json:"record"`
	Message    string          `json:"message"`
	Said       *schema.Saying  `json:"said"` // the message, where it is the hub's
	Candidates []Candidate     `json:"-"`

	ID    uuid.UUID `json:"id"`
	Class Class     `json:"class"`
}

// Propose keeps what a matching found of records, each once. What an earlier one found of them and nobody settled is replaced.
// [Classify] judges them when all are there.
func Propose(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, matching uuid.UUID, found []New) error {
	if len(found) == 0 {
		return nil
	}
	for i := range found {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("propose: %w", err)
		}
		found[i].ID, found[i].Class = id, Review
		if found[i].Message != "" {
			found[i].Class = Unreadable
		}
	}
	rows, err := json.Marshal(found)
	if err != nil {
		return fmt.Errorf("propose: %w", err)
	}
	ids := make(map[string]uuid.UUID, len(found))
	var id uuid.UUID
	var remoteID string
	kept, _ := tx.Query(ctx, upsertProposals, connection, entity, matching, string(rows))
	if _, err := pgx.ForEachRow(kept, []any{&id, &remoteID}, func() error { ids[remoteID] = id; return nil }); err != nil {
		return fmt.Errorf("keep %d proposals: %w", len(found), err)
	}
	type candidate struct {
		ProposalID uuid.UUID      `json:"proposal_id"`
		EntityID   uuid.UUID      `json:"entity_id"`
		Score      int            `json:"score"`
		Reasons    []match.Reason `json:"reasons"`
	}
	candidates := []candidate{}
	proposals := make([]uuid.UUID, len(found))
	for i, n := range found {
		proposals[i] = ids[n.RemoteID]
		for _, c := range n.Candidates {
			candidates = append(candidates, candidate{proposals[i], c.EntityID, c.Score, c.Reasons})
		}
	}
	if err := dropCandidates(ctx, tx, connection, entity, nil, proposals); err != nil {
		return err
	}
	if rows, err = json.Marshal(candidates); err != nil {
		return fmt.Errorf("keep candidates: %w", err)
	}
	if _, err := tx.Exec(ctx, insertCandidates, connection, entity, string(rows)); err != nil {
		return fmt.Errorf("keep %d candidates: %w", len(candidates), err)
	}
	return nil
}

// surely is the score from which one candidate without rivals is certain.
const surely = 100

const classify = `
update proposals p set class = s.class, score = s.score
from (
	select p.id, coalesce(max(c.score), 0) as score, case
		when p.class = 'unreadable' then p.class
		when count(c.entity_id) = 0 then 'none'
		when count(c.entity_id) = 1 and max(c.score) >= $4 and not bool_or(exists (
			select from proposal_candidates o
			where o.connection_id = $1 and o.entity = $2 and o.entity_id = c.entity_id and o.proposal_id <> c.proposal_id)) then 'certain'
		else 'review' end as class
	from proposals p left join proposal_candidates c on c.proposal_id = p.id
	where p.id = any($3) and p.state = 'open'
	group by p.organization_id, p.id
) s
where p.id = s.id and (p.class, p.score) is distinct from (s.class, s.score)`

// Classify says anew of proposals what is known of their records: certain is the one candidate that scores 100 and more and is
// no other record's candidate.
func Classify(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, ids []uuid.UUID) error {
	if _, err := tx.Exec(ctx, classify, connection, entity, ids, surely); err != nil {
		return fmt.Errorf("classify %d proposals: %w", len(ids), err)
	}
	return nil
}

func split(pairs []Pair) (entityIDs []uuid.UUID, remoteIDs []string) {
	for _, p := range pairs {
		entityIDs, remoteIDs = append(entityIDs, p.EntityID), append(remoteIDs, p.RemoteID)
	}
	return entityIDs, remoteIDs
}

func setOf[T comparable](all []T) map[T]bool {
	is := make(map[T]bool, len(all))
	for _, v := range all {
		is[v] = true
	}
	return is
}
