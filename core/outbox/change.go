// Package outbox carries a change from the transaction that made it to its Kafka topic, without a gap.
//
// [Append] writes changes in the caller's transaction. [Relay] publishes them in the order of their commits: only rows
// whose transaction is older than every transaction still running, so a late commit is never skipped. One relay leads
// at a time. A change is published at least once and keeps its event id when it is published again.
package outbox

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Change is one committed new version of an entity.
type Change struct {
	EventID      uuid.UUID // UUIDv7, given by Append when zero
	Organization uuid.UUID // filled when read; Append takes it from the transaction
	Entity       string
	EntityID     uuid.UUID
	Version      int64
	Type         string          // created, updated, deleted
	Origin       string          // "crm" or the code of the connection it came from
	TraceParent  string          // W3C trace context, "" if there is none
	Data         json.RawMessage // the entity, as schemas/<entity>.v1.json says
	Diff         json.RawMessage // of an update or deletion, for the audit trail: {"field": [before, after]}; not published
	At           time.Time       // filled when read
}
