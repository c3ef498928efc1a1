package reconcile

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Verdict is what came of a reconciliation.
type Verdict string

// The verdicts.
const (
	Running   Verdict = "running"
	Equal     Verdict = "equal"   // every record has its equal, but for what somebody said to ignore
	Differs   Verdict = "differs" // see the differences
	Suspect   Verdict = "suspect" // the other side gave so much less than is linked that nothing was believed
	Failed    Verdict = "failed"  // it ended early: nothing is known
	Cancelled Verdict = "cancelled"
)

// Verdicts are all verdicts.
func Verdicts() []Verdict { return []Verdict{Running, Equal, Differs, Suspect, Failed, Cancelled} }

// Reconciliation is one comparison of a kind of entity on a connection.
type Reconciliation struct {
	ID             uuid.UUID  `json:"id"`
	ConnectionID   uuid.UUID  `json:"connection_id"`
	RunID          uuid.UUID  `json:"run_id"`
	Entity         string     `json:"entity"`
	Verdict        Verdict    `json:"verdict" enum:"running,equal,differs,suspect,failed,cancelled"`
	Message        string     `json:"message,omitempty"` // why it failed or is suspect, or that it was begun in spite of a doubt
	MappingVersion string     `json:"mapping_version"`   // what the records were read by
	Counts         Counts     `json:"counts"`
	Sums           []Sum      `json:"sums" nullable:"false"` // of orders, invoices and payments: what is neither deleted nor cancelled
	StartedAt      time.Time  `json:"started_at"`
	StartedBy      string     `json:"started_by"`
	FinishedAt     *time.Time `json:"finished_at,omitempty"`

	Said *schema.Saying `json:"-"` // the message, where it is the hub's
}

// Counts is what a reconciliation found, in records and entities.
type Counts struct {
	Ours         int64 `json:"ours"`          // entities here that should be there
	Theirs       int64 `json:"theirs"`        // records there
	Equal        int64 `json:"equal"`         // pairs whose mapped fields are equal
	MissingHere  int64 `json:"missing_here"`  // records without a living entity
	MissingThere int64 `json:"missing_there"` // entities without a record
	Different    int64 `json:"different"`     // pairs that differ in a field
	Unlinked     int64 `json:"unlinked"`      // pairs, by their keys, that nobody linked
	Duplicate    int64 `json:"duplicate"`     // records that are, by their keys, an entity that is linked with another record
	Unreadable   int64 `json:"unreadable"`    // records that the mapping cannot read
	Moving       int64 `json:"moving"`        // what changed while it was compared, and cannot be asked for again; in no sum
	Ignored      int64 `json:"ignored"`       // of the above, those that somebody said to ignore
}

// Sum is what documents of a month in one currency come to, on both sides.
type Sum struct {
	Currency    string          `json:"currency"`
	Month       string          `json:"month"` // 2026-11, of the document's date
	OursCount   int64           `json:"ours_count"`
	Ours        decimal.Decimal `json:"ours"`
	TheirsCount int64           `json:"theirs_count"`
	Theirs      decimal.Decimal `json:"theirs"`
	Equal       bool            `json:"equal"` // to the cent, and as many
}

// Kind is how two sides differ.
type Kind string

// The kinds.
const (
	MissingHere  Kind = "missing_here"
	MissingThere Kind = "missing_there"
	Different    Kind = "different"
	Unlinked     Kind = "unlinked"
	Duplicate    Kind = "duplicate"
	Unreadable   Kind = "unreadable"
)

// Kinds are all kinds.
func Kinds() []Kind {
	return []Kind{MissingHere, MissingThere, Different, Unlinked, Duplicate, Unreadable}
}

// State says what was decided about a difference.
type State string

// The states.
const (
	Open    State = "open"
	Mended  State = "mended"  // handed to push or pull; the next reconciliation tells whether it helped
	Ignored State = "ignored" // somebody said why it does not matter; the same difference stays ignored
)

// States are all states.
func States() []State { return []State{Open, Mended, Ignored} }

// Difference is an entity, a record or a pair of them that is not as it should be.
type Difference struct {
	ID               uuid.UUID  `json:"id"`
	ReconciliationID uuid.UUID  `json:"reconciliation_id"`
	Kind             Kind       `json:"kind" enum:"missing_here,missing_there,different,unlinked,duplicate,unreadable"`
	EntityID         *uuid.UUID `json:"entity_id,omitempty"`
	RemoteID         string     `json:"remote_id,omitempty"`
	Title            string     `json:"title,omitempty"`   // number, code or name
	Message          string     `json:"message,omitempty"` // what people should know beside the kind
	Fields           []Field    `json:"fields" nullable:"false"`
	Ours             *Amount    `json:"ours,omitempty"`   // what it adds to the sums here
	Theirs           *Amount    `json:"theirs,omitempty"` // and there
	State            State      `json:"state" enum:"open,mended,ignored"`
	Action           Action     `json:"action,omitempty" enum:"push,pull,link,unlink,ignore"` // what was done about it
	Reason           string     `json:"reason,omitempty"`                                     // why it is ignored
	FoundAt          time.Time  `json:"found_at"`
	ChangedAt        *time.Time `json:"changed_at,omitempty"`
	ChangedBy        string     `json:"changed_by,omitempty"`

	Said   *schema.Saying `json:"-"` // the message, where it is the hub's
	record *stored        // as it was read; nil without one
	digest []byte
}

// Field is a field of which both sides say different things.
type Field struct {
	Field  string `json:"field"`
	Ours   any    `json:"ours"`
	Theirs any    `json:"theirs"`
	Agreed any    `json:"agreed"` // what both sides agreed on last; null if they never did
}

// Amount is what a document comes to.
type Amount struct {
	Currency string          `json:"currency"`
	Month    string          `json:"month"`
	Amount   decimal.Decimal `json:"amount"`
}

// stored is a record as the table keeps it.
type stored struct {
	Version   string         `json:"version,omitempty"`
	UpdatedAt time.Time      `json:"updated_at,omitzero"`
	Data      map[string]any `json:"data"`
}

// The errors that callers branch on.
var (
	ErrNotFound = postgres.NotFound("the reconciliation or difference does not exist")
	ErrRunning  = errors.New("the reconciliation has not ended")
)

// UnmarshalJSON keeps numbers as they are written.
func (s *stored) UnmarshalJSON(b []byte) error {
	type plain stored
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode((*plain)(s))
}

// UnmarshalJSON keeps numbers as they are written.
func (f *Field) UnmarshalJSON(b []byte) error {
	type plain Field
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode((*plain)(f))
}

// jsonText is a value as JSON for a parameter; null without one.
func jsonText(v any) (*string, error) {
	b, err := json.Marshal(v)
	if err != nil || string(b) == "null" {
		return nil, err
	}
	s := string(b)
	return &s, nil
}

// Veil takes away the values of fields that somebody must not see.
func (d *Difference) Veil(hidden func(field string) bool) {
	for i, f := range d.Fields {
		if hidden(f.Field) {
			d.Fields[i] = Field{Field: f.Field}
		}
	}
	for _, field := range []string{"number", "code", "sku", "name"} {
		if hidden(field) {
			d.Title = ""
		}
	}
	if hidden("total") || hidden("amount") {
		d.Ours, d.Theirs = nil, nil
	}
}
