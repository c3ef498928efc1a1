// Package link keeps the crosswalk: which entity is which record on which connection, and what both sides last
// agreed on.
//
// Promises: an entity has at most one link on a connection and a record at most one entity; a version that was wanted
// once is never forgotten: its link is due again ([Due]) until it is synced, replaced by a newer version, or failed for
// a person to see; nothing is sent without a claim committed before ([Announce]), and at most one living worker has
// the claim on a link. [Merge] is the three-way merge, a pure function.
// It leaves to others: what is sent (push), what is read (pull), and how a record looks (mapping).
package link

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"crmhub/core/schema"
)

// State says where a link stands.
type State string

// The states.
const (
	Pending State = "pending" // wanted; nothing is out
	Sending State = "sending" // claimed by a worker: a call may be under way
	Unknown State = "unknown" // a call went out and nobody knows what became of it: look before creating
	Linked  State = "linked"  // both sides agreed once; the record's id is known
	Parked  State = "parked"  // refused for now: tried again later
	Waiting State = "waiting" // an entity it refers to has no record yet
	Failed  State = "failed"  // needs a person, or a newer version of the entity

	Unlinked State = "unlinked" // a person took it apart: nothing is sent, no record is taken for it, until somebody links it again
)

// Cause is why a link is not synced, for people. It carries no personal data and no secret.
type Cause struct {
	Class      string            `json:"class"` // a connector.Class, or "mapping" or "link"
	Code       string            `json:"code,omitempty"`
	Message    string            `json:"message"`
	Remedy     string            `json:"remedy,omitempty"`
	Said       *schema.Saying    `json:"said,omitempty"` // message and remedy, where they are the hub's
	Violations schema.Violations `json:"violations,omitempty"`
}

// Link is the correspondence of one entity with one record on one connection.
type Link struct {
	ID            uuid.UUID  `json:"id"`
	ConnectionID  uuid.UUID  `json:"connection_id"`
	Entity        string     `json:"entity"`
	EntityID      uuid.UUID  `json:"entity_id"`
	RemoteID      string     `json:"remote_id,omitempty"`      // "" as long as there is no record
	RemoteVersion string     `json:"remote_version,omitempty"` // as last seen; "" if the remote has none
	Reference     string     `json:"reference,omitempty"`      // what a create carries, to be found again by
	State         State      `json:"state"`
	WantedVersion int64      `json:"wanted_version"` // newest version of the entity known to be wanted over there
	SyncedVersion int64      `json:"synced_version"` // version both sides last agreed on; 0 is never
	WaitsOnEntity string     `json:"waits_on_entity,omitempty"`
	WaitsOnID     *uuid.UUID `json:"waits_on_id,omitempty"`
	Attempts      int        `json:"attempts"` // failed ones since the last success
	SentAt        *time.Time `json:"sent_at,omitempty"`
	NextAttemptAt *time.Time `json:"next_attempt_at,omitempty"` // nil: nothing to do
	Cause         *Cause     `json:"cause,omitempty"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`

	// Snapshot is the entity's mapped fields as last agreed, the base of the merge. ByRemote reads it.
	Snapshot json.RawMessage `json:"-"`
}
