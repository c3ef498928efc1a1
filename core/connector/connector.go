// Package connector is the contract between the engine and the systems it connects.
//
// A connector is a value: a description and a constructor. It is listed in connectors/connectors.go and registers
// itself nowhere. Opening it with a connection's configuration gives a [Session]; what a session can do beyond
// checking itself it says by implementing [Puller], [Watcher], [Pusher], [Finder] and [Getter], and by declaring the
// same per stream in its [Capabilities]. The conformance kit (connectortest) holds the declaration against the behaviour.
//
// The engine owns retries, order, links, merge and cursors. A connector owns the remote's protocol: authentication,
// paging, rate limits, the shape of requests and answers, and telling an [Error]'s class.
// A connector keeps nothing between calls but connections, credentials and limiters, and never logs a secret.
package connector

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"time"

	"crmhub/core/schema"
	"crmhub/core/secret"
)

// Connector describes one kind of system and opens sessions with it.
type Connector struct {
	Name    string          // as in connections and in mappings/<name>: "tryton"
	Title   string          // for people: "Tryton 8.0"
	Config  json.RawMessage // JSON Schema (2020-12) of a connection's configuration, secrets included
	Secrets []string        // names of the configuration fields that are secret: sealed at rest, write-only on every door
	Streams []Stream        // what it can carry
	Proof   Proof           // what the connector was tested against

	// Carries returns what of Streams a connection with a configuration carries, and which way, where that is for the
	// configuration to say. It must not fail. nil: every connection carries all of it.
	Carries func(config map[string]any) []Stream

	// Open starts a session. It must not call the remote: [Session.Check] does. The configuration was validated
	// against Config. The session is used by many goroutines at once and lives until Close.
	Open func(Options) (Session, error)
}

// Carried returns the streams of a connection with a configuration.
func (c Connector) Carried(config map[string]any) []Stream {
	if c.Carries == nil {
		return c.Streams
	}
	return c.Carries(config)
}

// Proof says what a connector was tested against.
type Proof string

// The proofs. None at all is the zero value.
const (
	ProofLive     Proof = "live"     // the real program, running in the tests
	ProofRecorded Proof = "recorded" // answers in the shapes that the vendor documents
)

// Options is what a session gets to work with.
type Options struct {
	Organization string                 // code of the organization
	Connection   string                 // code of the connection, unique in its organization
	Config       map[string]any         // decoded with json.Number for numbers; secrets left out
	Secrets      map[string]secret.Text // by field name
	Logger       *slog.Logger           // carries the connection already

	// Renew replaces a secret that the remote changes with use, such as a refresh token. It calls renew with the secret as
	// it is stored now and stores what that returns, and lets nobody else renew a secret of the connection meanwhile, in
	// this process or another. The error is renew's, or that of storing. nil: nothing is stored.
	Renew func(ctx context.Context, name string, renew func(current secret.Text) (secret.Text, error)) error
	// Folder is the path of a folder on this machine that is the connection's own; it may not exist yet. Where a hub has
	// several processes they share it. "" if the hub gives none.
	Folder string
}

// Stream is one entity as one kind of record: an order as Tryton's sale.sale.
type Stream struct {
	Entity string // "order"
	Record string // the remote's name for it: "sale.sale"; schemas/<connector>/<record>.json describes it
	Capabilities
}

// Capabilities say what a stream can do; the engine adapts to what is missing.
type Capabilities struct {
	Pull        bool // implements Puller for this stream
	Incremental bool // Pull with a cursor reads only what changed since
	Range       bool // Pull heeds Since and Until: a range can be read once more
	Push        bool // implements Pusher for this stream
	Find        bool // a record can be looked up by the reference it was created with
	Get         bool // a record can be read by id
	Delete      bool // OpDelete is understood
	Idempotent  bool // the remote drops a repeated create with the same reference by itself
	Steps       bool // a create takes several calls; what an interrupted one left there, an update completes
	FindFirst   bool // look up even before a first create, since the record may exist already
	Batch       int  // most writes in one Push call; 0 means 1
	Concurrency int  // most Push calls at the same time; 0 means 1
	// Settle is how long after a call was sent the remote may still act on it.
	// A create whose outcome is unknown is looked up only after that.
	Settle time.Duration
}

// Session speaks to one remote system.
type Session interface {
	// Check proves with harmless calls that the remote can be reached and the credentials suffice.
	Check(ctx context.Context) error
	// Close releases connections; calls still running end with an error.
	Close() error
}

// Record is a thing in the remote system, in that system's own shape.
type Record struct {
	ID        string         // unique among the stream's records for ever
	Version   string         // changes when the record does (etag, write date); "" if the remote has none
	UpdatedAt time.Time      // zero if unknown
	Deleted   bool           // the remote says it is gone; Data may then be nil
	Data      map[string]any // numbers are json.Number
	// Err is why the remote's record cannot be read, nil as a rule. It becomes a dead letter, beside which the others go
	// on; ID and Data then say as much as is known, such as where it lies.
	Err error
}

// PullRequest asks for the next page of a stream.
type PullRequest struct {
	Stream string          // the Record name of the stream
	Cursor json.RawMessage // as returned by the page before, nil at first; only the connector reads it
	Limit  int             // wished page size; the remote may give less
	Accept bool            // a person has seen the connector's [Doubt]: it goes on with what there is
	Resume bool            // the first page of a run: where Cursor is in the midst of a list and is refused, the list may be read anew

	// Since and Until ask for what changed last in a range, where the stream has the capability Range. They come with
	// every page of such a pass, and its cursors are its own. What changed at Since belongs to it, what changed at Until not;
	// zero is without bound.
	Since, Until time.Time
}

// Page is a part of a stream, in an order that the cursor can go on from.
type Page struct {
	Records  []Record
	Cursor   json.RawMessage // where to go on, to be stored with the records; non-nil whenever Records is not empty
	More     bool            // another page is there now; false ends the run
	Expected int64           // how many records the run will read in all, if the remote says; else 0
	Anew     bool            // the list begins anew: what it has is read once more
}

// Puller reads pages. A page read again from the same cursor contains every record that is still as it was.
type Puller interface {
	Pull(ctx context.Context, r PullRequest) (Page, error)
}

// Doubt is the error of a Pull whose stream does not go on where the cursor ended, so that something may be missing. The
// run ends suspect, and the cursor stays. When a person accepts it, the next run pulls with PullRequest.Accept.
type Doubt struct {
	Message string         // what is missing, for people
	Said    *schema.Saying // the same
}

func (d *Doubt) Error() string { return d.Message }

// Watcher is a Puller that can tell when there is something to pull, so that nobody waits for a schedule.
type Watcher interface {
	Puller
	// Watch returns when a Pull from the cursor would give something, or fail: at once if it would now. It looks without
	// taking anything.
	Watch(ctx context.Context, stream string, cursor json.RawMessage) error
}

// Op is what a write does.
type Op string

// The operations of a write.
const (
	OpCreate Op = "create"
	OpUpdate Op = "update"
	OpDelete Op = "delete"
)

// Write is one record to be written.
type Write struct {
	Op            Op
	ID            string         // the record to update or delete; "" for a create
	RemoteVersion string         // the version last seen, for remotes with optimistic locking
	Version       int64          // of the entity, for remotes that drop what is older than what they have
	Reference     string         // stable over all attempts of this create: where the remote keeps a reference, it keeps this one
	Data          map[string]any // the record as the mapping made it
}

// Outcome says what became of a write.
type Outcome int

// The outcomes. Unknown is the zero value: a connector that says nothing leaves the engine careful.
const (
	Unknown Outcome = iota // the remote may or may not have done it: timeout, broken connection, 5xx after sending
	Done                   // the remote confirmed it
	Refused                // the remote certainly did nothing
)

// Result is what became of one Write.
type Result struct {
	Outcome Outcome
	Record  Record // Done: ID and, as far as the remote says, Version and Data
	Err     *Error // Refused and Unknown: why
}

// Pusher writes records. The results correspond to the writes by position, one each.
// An error instead of results means that nothing was sent.
type Pusher interface {
	Push(ctx context.Context, stream string, writes []Write) ([]Result, error)
}

// Finder looks up what was created with a reference. No match gives no record and no error;
// several give an *Error of class ClassConflict.
type Finder interface {
	Find(ctx context.Context, stream, reference string) (*Record, error)
}

// Getter reads one record. A record that does not exist gives no record and no error.
type Getter interface {
	Get(ctx context.Context, stream, id string) (*Record, error)
}

// Receiver takes files in that people hand over. When Receive returns, the file is stored, whole. A name that no stream reads
// gives an *Error of class ClassData, one that another file has, ClassConflict; nothing is ever written over.
type Receiver interface {
	Receive(ctx context.Context, name string, content io.Reader) error
}
