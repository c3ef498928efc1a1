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

const insertActs = `
insert into audit_acts (organization_id, actor, action, entity, entity_id, version, detail)
select coalesce(nullif(o, '00000000-0000-0000-0000-000000000000'::uuid), crmhub_organization()), coalesce(nullif(a, ''), crmhub_actor()),
	c, e, nullif(i, '00000000-0000-0000-0000-000000000000'::uuid), nullif(v, 0), nullif(d, '')::json
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::bigint[], $7::text[]) as u(o, a, c, e, i, v, d)`

// Record writes acts down in the caller's transaction, in their order. They are in the trail soon after it has committed.
func Record(ctx context.Context, tx pgx.Tx, acts ...Act) error {
	n := len(acts)
	if n == 0 {
		return nil
	}
	var (
		organizations, ids = make([]uuid.UUID, n), make([]uuid.UUID, n)
		actors, actions    = make([]string, n), make([]string, n)
		entities, details  = make([]string, n), make([]string, n)
		versions           = make([]int64, n)
	)
	for i, a := range acts {
		if a.Detail != nil {
			detail, err := json.Marshal(a.Detail)
			if err != nil {
				return fmt.Errorf("record that a %s was %s: %w", a.Entity, a.Action, err)
			}
			details[i] = string(detail)
		}
		organizations[i], actors[i], actions[i] = a.Organization, string(a.Actor), a.Action
		entities[i], ids[i], versions[i] = a.Entity, a.EntityID, a.Version
	}
	if _, err := tx.Exec(ctx, insertActs, organizations, actors, actions, entities, ids, versions, details); err != nil {
		return fmt.Errorf("record that a %s was %s: %w", acts[0].Entity, acts[0].Action, err)
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
