package job

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"

	"crmhub/core/schema"
)

// Stage says how far a record came before it failed.
type Stage string

// The stages.
const (
	StageSchema  Stage = "schema"  // the record is not what its schema says
	StageMapping Stage = "mapping" // it could not be mapped, such as for a missing link
	StageMerge   Stage = "merge"   // it could not be merged
	StageStore   Stage = "store"   // the entity breaks a rule of the store
	StageRemote  Stage = "remote"  // the remote refused it
)

// ClassWaiting is the class of a pulled record that refers to something not pulled yet.
// The pull tries it again by itself; see package pull.
const ClassWaiting = "waiting"

// LetterStatus says whether somebody has to look at a dead letter.
type LetterStatus string

// The statuses.
const (
	Open      LetterStatus = "open"
	Resolved  LetterStatus = "resolved"  // the same thing succeeded later
	Dismissed LetterStatus = "dismissed" // a person said why it does not matter
)

// DeadLetter is what could not be pushed or pulled. As long as it is open, the same thing failing again is the same
// dead letter with one more attempt.
type DeadLetter struct {
	ID             uuid.UUID         `json:"id"`
	ConnectionID   uuid.UUID         `json:"connection_id"`
	RunID          *uuid.UUID        `json:"run_id,omitempty"`
	Direction      Kind              `json:"direction"`
	Entity         string            `json:"entity"`
	EntityID       *uuid.UUID        `json:"entity_id,omitempty"` // a push's identity
	RemoteID       string            `json:"remote_id,omitempty"` // a pull's identity
	Stage          Stage             `json:"stage"`
	Class          string            `json:"class"` // a connector.Class, "schema", "mapping" or "waiting"
	Message        string            `json:"message"`
	Said           *schema.Saying    `json:"said,omitempty"` // the message, where it is the hub's
	Violations     schema.Violations `json:"violations"`
	Payload        json.RawMessage   `json:"payload,omitempty"` // the record or entity as it failed
	MappingVersion string            `json:"mapping_version,omitempty"`
	Fingerprint    string            `json:"fingerprint"` // equal for equal causes; given by Bury
	Attempts       int               `json:"attempts"`
	Status         LetterStatus      `json:"status"`
	Reason         string            `json:"reason,omitempty"` // why it was dismissed
	CreatedAt      time.Time         `json:"created_at"`
	UpdatedAt      time.Time         `json:"updated_at"`
	ClosedAt       *time.Time        `json:"closed_at,omitempty"`
}

// Things are entities (of a push) or records (of a pull) of one connection and entity type, by id.
type Things struct {
	ConnectionID uuid.UUID
	Direction    Kind
	Entity       string
	IDs          []string
}

// thing is what the letter is about: at most one letter of a thing is open.
func (d *DeadLetter) thing() string {
	switch {
	case d.Direction == Pull:
		return d.RemoteID
	case d.EntityID != nil:
		return d.EntityID.String()
	}
	return ""
}

var (
	places  = regexp.MustCompile(`/\d+`)        // an element's place in a list
	details = regexp.MustCompile(`"[^"]*"|\d+`) // what differs between messages of one cause
)

// fingerprint is equal for letters that one repair would settle: same connection, entity, direction, stage and class,
// and the same rules broken at the same fields of whichever list elements. Without violations the message counts,
// quoted parts and numbers aside.
func (d *DeadLetter) fingerprint() string {
	cause := []string{}
	for _, v := range d.Violations {
		cause = append(cause, v.Rule+" "+places.ReplaceAllString(v.Pointer, "/*"))
	}
	if len(cause) == 0 {
		cause = append(cause, details.ReplaceAllString(d.Message, "*"))
	}
	slices.Sort(cause)
	b, err := json.Marshal([]any{d.ConnectionID, d.Entity, d.Direction, d.Stage, d.Class, slices.Compact(cause)})
	if err != nil {
		panic(err) // strings and a UUID
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
