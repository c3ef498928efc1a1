package link

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Pulled is a record that was merged into its entity.
type Pulled struct {
	EntityID      uuid.UUID
	RemoteID      string
	RemoteVersion string
	Version       int64  // of the entity, with the merge stored
	Snapshot      []byte // JSON object of all mapped fields as agreed: Merged.Snapshot
	Push          bool   // the remote lacks something of this version
	Digest        []byte // of the record as a push would make it; nil if it is not known to be what the remote holds
}

// A call that is under way, or may have been done, could still overwrite at the remote what was just read there:
// its link keeps its state and is sent once more afterwards. Else the link is linked, and due if something is to be
// pushed.
const acknowledgePulled = `
with input as (
	select * from unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::boolean[], $10::bytea[])
		as i (new_id, entity_id, remote_id, remote_version, version, snapshot, push, digest)
)
insert into links as l (id, connection_id, entity, entity_id, remote_id, remote_version, state, wanted_version, synced_version,
	snapshot, record_digest, next_attempt_at)
select i.new_id, $1, $2, i.entity_id, i.remote_id, i.remote_version, 'linked', i.version, case when i.push then 0 else i.version end,
	i.snapshot::jsonb, case when not i.push then i.digest end, case when i.push then now() end
from input i order by i.entity_id
on conflict (organization_id, connection_id, entity, entity_id) do update set
	remote_id = excluded.remote_id,
	remote_version = excluded.remote_version,
	snapshot = excluded.snapshot,
	state = case when l.state in ('sending', 'unknown') then l.state else 'linked' end,
	wanted_version = greatest(l.wanted_version, excluded.wanted_version),
	synced_version = case
		when l.state in ('sending', 'unknown') then l.synced_version
		when excluded.next_attempt_at is not null then least(l.synced_version, excluded.wanted_version - 1) -- not even if it was sent before
		else greatest(l.synced_version, excluded.synced_version)
	end,
	record_digest = case when l.state in ('sending', 'unknown') then null else excluded.record_digest end,
	next_attempt_at = case
		when l.state in ('sending', 'unknown') then l.next_attempt_at
		when excluded.next_attempt_at is not null or l.wanted_version > excluded.wanted_version then now()
	end,
	attempts = case when l.state in ('sending', 'unknown') then l.attempts else 0 end,
	cause = case when l.state in ('sending', 'unknown') then l.cause end,
	waits_on_entity = null, waits_on_id = null,
	updated_at = now()`

// AcknowledgePulled records merged records, all of one entity type, in one statement, in the transaction that stores
// the merge, and makes due what waited for them. No entity may occur twice.
func AcknowledgePulled(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, pulled []Pulled) error {
	n := len(pulled)
	if n == 0 {
		return nil
	}
	var (
		newIDs, entityIDs  = make([]uuid.UUID, n), make([]uuid.UUID, n)
		remoteIDs          = make([]string, n)
		remoteVersions     = make([]*string, n)
		versions           = make([]int64, n)
		snapshots          = make([]*string, n)
		push               = make([]bool, n)
		digests            = make([][]byte, n)
		connections, wants = make([]uuid.UUID, n), make([]string, n)
	)
	for i, p := range pulled {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("acknowledge pulled %s: %w", entity, err)
		}
		newIDs[i], entityIDs[i], remoteIDs[i], remoteVersions[i] = id, p.EntityID, p.RemoteID, text(p.RemoteVersion)
		versions[i], snapshots[i], push[i], digests[i] = p.Version, text(string(p.Snapshot)), p.Push, p.Digest
		connections[i], wants[i] = connection, entity
	}
	_, err := tx.Exec(ctx, acknowledgePulled, connection, entity, newIDs, entityIDs, remoteIDs, remoteVersions, versions, snapshots, push, digests)
	if err != nil {
		return fmt.Errorf("acknowledge %d pulled %s: %w", n, entity, err)
	}
	_, err = release(ctx, tx, connections, wants, entityIDs)
	return err
}
