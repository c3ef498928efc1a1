package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// Act is something that somebody did and that is no change of an entity: those are in the trail by themselves.
type Act struct {
	Action   string    // what was done, as a participle: created, revoked, exported
	Entity   string    // to what kind of thing: token, session, connection
	EntityID uuid.UUID // to which one; zero if it was none
	Version  int64     // the one it has since; 0 where there are none
	Detail   any       // written as JSON, never with a secret; nil if there is nothing more to say

	// The transaction says who acts and where. Only the system role, which may be nobody anywhere, says it here.
	Organization uuid.UUID
	Actor        postgres.Actor
}

const insertAct = `
insert into audit_acts (organization_id, actor, action, entity, entity_id, version, detail)
values (coalesce(nullif($1, '00000000-0000-0000-0000-000000000000'::uuid), crmhub_organization()), coalesce(nullif($2, ''), crmhub_actor()),
	$3, $4, nullif($5, '00000000-0000-0000-0000-000000000000'::uuid), nullif($6::bigint, 0), nullif($7, '')::json)`

// Record writes acts down in the caller's transaction. They are in the trail soon after it has committed.
func Record(ctx context.Context, tx pgx.Tx, acts ...Act) error {
	var b pgx.Batch
	for _, a := range acts {
		var detail []byte
		if a.Detail != nil {
			var err error
			if detail, err = json.Marshal(a.Detail); err != nil {
				return fmt.Errorf("record that a %s was %s: %w", a.Entity, a.Action, err)
			}
		}
		b.Queue(insertAct, a.Organization, string(a.Actor), a.Action, a.Entity, a.EntityID, a.Version, string(detail))
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("record %d acts: %w", len(acts), err)
	}
	return nil
}

// Diff is what differs between two values that are JSON objects, as the detail of an act: {"field": [before, after]}.
func Diff(before, after any) (map[string][2]json.RawMessage, error) {
	old, err := members(before)
	if err != nil {
		return nil, err
	}
	now, err := members(after)
	if err != nil {
		return nil, err
	}
	null := json.RawMessage("null")
	changed := map[string][2]json.RawMessage{}
	for name, value := range now {
		was, ok := old[name]
		if !ok {
			was = null
		}
		if !bytes.Equal(was, value) {
			changed[name] = [2]json.RawMessage{was, value}
		}
	}
	for name, was := range old {
		if _, ok := now[name]; !ok && !bytes.Equal(was, null) {
			changed[name] = [2]json.RawMessage{was, null}
		}
	}
	return changed, nil
}

func members(v any) (m map[string]json.RawMessage, err error) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return nil, fmt.Errorf("compare for the audit trail: %w", err)
	}
	return m, nil
}
