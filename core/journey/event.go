// Package journey tells everything that happened to an entity across systems, in order: its changes, where they were
// published, what was said to other systems about it and what they answered, dead letters, conflicts.
//
// Most of that is kept elsewhere, and [Read] composes it by one query. What nothing else keeps are the exchanges with
// remotes: [Queue] adds them to the statements of a push or a pull, in sets.
//
// Promises: nothing is kept twice; bodies are bounded and without secrets (the connector sees to that); who does not see all
// fields of an entity sees the names in a body, and of its values what a mapping joins to a field that he sees ([Sight]).
// It leaves to others: who may read an entity at all (access, and the rows' own policies), and what each kind of step means.
package journey

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/link"
)

// Direction is that of an event.
type Direction string

// The directions.
const (
	Push Direction = "push"
	Pull Direction = "pull"
)

// Event is one push or pull of an entity over a connection, and what came of it.
type Event struct {
	Entity         string
	EntityID       uuid.UUID
	Connection     uuid.UUID
	Run            *uuid.UUID // that pulled it; nil for a push
	Direction      Direction
	Version        int64        // of the entity
	Op             connector.Op // "" if nothing was to be written
	Outcome        string       // as the link stands since, or what the record became
	RemoteID       string
	MappingVersion string
	Cause          *link.Cause // why it is not synced; nil if it is
	Exchanges      []Exchange
}

// Exchange is one request to a remote and what it answered.
type Exchange struct {
	At           time.Time `json:"at" doc:"When the request left, or the record came."`
	Purpose      string    `json:"purpose" doc:"What for: find, get, create, update, delete or read."`
	Milliseconds int64     `json:"milliseconds" doc:"Until the answer was there."`
	Method       string    `json:"method,omitempty" doc:"Absent where the protocol has none."`
	Path         string    `json:"path,omitempty" doc:"Of the address, without host and query."`
	Status       int       `json:"status,omitempty" doc:"Of the answer; absent if none came."`
	Request      string    `json:"request,omitempty" doc:"The body sent, 4 KiB at most."`
	Response     string    `json:"response,omitempty" doc:"The body that came, 4 KiB at most."`
	Cut          bool      `json:"cut,omitempty" doc:"A body was longer."`
}

// ExchangesOf are recorded exchanges as an event has them.
func ExchangesOf(purpose string, recorded []connector.Exchange) []Exchange {
	list := make([]Exchange, len(recorded))
	for i, r := range recorded {
		list[i] = Exchange{
			At: r.At, Purpose: purpose, Milliseconds: r.Took.Milliseconds(), Method: r.Method, Path: r.Path, Status: r.Status,
			Request: string(r.Request), Response: string(r.Response), Cut: r.Cut,
		}
	}
	return list
}

// Excerpt is the beginning of a body, as much of it as is kept, and whether that is less than all.
func Excerpt(body []byte) (text string, cut bool) {
	if len(body) <= connector.MaxBody {
		return string(body), false
	}
	end := connector.MaxBody
	for end > 0 && !utf8.RuneStart(body[end]) {
		end--
	}
	return string(body[:end]), true
}

// What was erased at somebody's request has no bodies any more: the other side may answer with what it still holds.
const insertEvents = `
insert into exchanges (entity, entity_id, connection_id, run_id, direction, version, op, outcome, remote_id, mapping_version, cause, exchanges)
select i.entity, i.entity_id, $1, nullif($2, '00000000-0000-0000-0000-000000000000'::uuid), $3, i.version, nullif(i.op, ''), i.outcome,
	nullif(i.remote_id, ''), nullif(i.mapping_version, ''), nullif(i.cause, '')::json, case when x.entity_id is null then i.exchanges end
from unnest($4::text[], $5::uuid[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bytea[])
	as i (entity, entity_id, version, op, outcome, remote_id, mapping_version, cause, exchanges)
left join erased x on x.entity_id = i.entity_id and x.entity = i.entity`

// Queue adds events of one connection, direction and run to a batch, as one statement.
func Queue(b *pgx.Batch, events []Event) error {
	n := len(events)
	if n == 0 {
		return nil
	}
	var (
		entities, ops, outcomes       = make([]string, n), make([]string, n), make([]string, n)
		remoteIDs, mappings           = make([]string, n), make([]string, n)
		causes, exchanges             = make([]string, n), make([][]byte, n)
		ids, versions, run, direction = make([][16]byte, n), make([]int64, n), uuid.Nil, events[0].Direction // uuid.UUID takes the driver's slow way
	)
	var err error
	if events[0].Run != nil {
		run = *events[0].Run
	}
	for i := range events {
		e := &events[i]
		entities[i], ids[i], versions[i], ops[i], outcomes[i] = e.Entity, e.EntityID, e.Version, string(e.Op), e.Outcome
		remoteIDs[i], mappings[i] = e.RemoteID, e.MappingVersion
		if e.Cause != nil {
			cause, err := json.Marshal(e.Cause)
			if err != nil {
				return fmt.Errorf("note what happened to %s %s: %w", e.Entity, e.EntityID, err)
			}
			causes[i] = string(cause)
		}
		if exchanges[i], err = pack(e.Exchanges); err != nil {
			return fmt.Errorf("note what happened to %s %s: %w", e.Entity, e.EntityID, err)
		}
	}
	b.Queue(insertEvents, events[0].Connection, run, direction, entities, ids, versions, ops, outcomes, remoteIDs, mappings, causes, exchanges)
	return nil
}
