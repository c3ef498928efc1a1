// Package revision keeps an organization's own versions of mappings: drafts, what was tested, what is live, what was before.
//
// A mapping that is shipped with the hub holds until a connection has a live version of its own, and again when that is
// rolled back. [Store.Live] says which one holds; whoever pushes or pulls asks it.
//
// Promises: what is stored fits both schemas it joins; nothing goes live that fails its examples, does not come back as it
// went, or makes a record fail that succeeds today; every publication and roll-back is in the audit trail; a text never
// changes once it is stored.
// It leaves to others: what a mapping means (mapping), and to use it (push, pull).
package revision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/connection"
	"crmhub/core/crm"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Status says where a version stands.
type Status string

// The statuses.
const (
	Draft      Status = "draft"
	Tested     Status = "tested"      // its examples hold, and what it pushes comes back
	Live       Status = "live"        // pushes and pulls use it
	Retired    Status = "retired"     // another one took its place
	RolledBack Status = "rolled_back" // it was taken back
)

// Version is an organization's own version of the mapping of an entity on a connection.
type Version struct {
	ID             uuid.UUID       `json:"id"`
	ConnectionID   uuid.UUID       `json:"connection_id"`
	Entity         string          `json:"entity"`
	Number         int             `json:"number" doc:"1, 2, 3 … of this entity on this connection."`
	Status         Status          `json:"status" enum:"draft,tested,live,retired,rolled_back"`
	MappingVersion string          `json:"mapping_version" doc:"Identifies the text, as dead letters and journeys name it."`
	Text           string          `json:"text,omitempty" doc:"The mapping, in YAML."`
	Examples       json.RawMessage `json:"examples,omitempty" doc:"Cases that must hold."`
	Note           string          `json:"note,omitempty" doc:"What it is for."`
	CreatedAt      time.Time       `json:"created_at"`
	CreatedBy      string          `json:"created_by"`
	TestedAt       *time.Time      `json:"tested_at,omitempty" doc:"When it passed its test."`
	PublishedAt    *time.Time      `json:"published_at,omitempty" doc:"When it went live last."`
	PublishedBy    string          `json:"published_by,omitempty"`
	RetiredAt      *time.Time      `json:"retired_at,omitempty" doc:"When it stopped being live."`
}

// New is a draft to be stored.
type New struct {
	ConnectionID uuid.UUID
	Entity       string
	Text         string
	Examples     json.RawMessage // nil: none
	Note         string
}

// The errors that callers branch on.
var (
	ErrNotFound = postgres.NotFound("the version of the mapping does not exist")
	ErrStatus   = errors.New("the version's status forbids that")
)

// MaxText is how long a mapping may be, in bytes.
const MaxText = 256 << 10

// Store reads and writes versions in the caller's transaction.
type Store struct {
	Shipped     *mapping.Set
	Schemas     *schema.Set
	Connections *connection.Store
	CRM         *crm.Store

	mu       sync.Mutex
	compiled map[string]*mapping.Mapping // by connector, entity and text
}

// maxCompiled bounds what is remembered: more than any hub has live at a time.
const maxCompiled = 500

// compile compiles a text once. The error is [mapping.Faults].
func (s *Store) compile(connector, entity, text string) (*mapping.Mapping, error) {
	name := connector + "/" + entity + ".yaml"
	key := name + "\x00" + text
	s.mu.Lock()
	m, known := s.compiled[key]
	s.mu.Unlock()
	if known {
		return m, nil
	}
	m, err := mapping.Compile(name, []byte(text), s.Schemas)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.compiled == nil || len(s.compiled) >= maxCompiled {
		s.compiled = map[string]*mapping.Mapping{}
	}
	s.compiled[key] = m
	return m, nil
}

const selectLive = `select number, mapping from mapping_versions where connection_id = $1 and entity = $2 and status = 'live'`

// Live returns the mapping that holds for an entity on a connection, and its number; 0 is what is shipped. A nil mapping
// means that there is none. One that does not fit this hub any more ([Misfit]) is an error, with its number.
func (s *Store) Live(ctx context.Context, tx pgx.Tx, c connection.Connection, entity string) (m *mapping.Mapping, number int, err error) {
	var text string
	switch err := tx.QueryRow(ctx, selectLive, c.ID, entity).Scan(&number, &text); {
	case errors.Is(err, pgx.ErrNoRows):
		m, _ := s.Shipped.For(c.Connector, entity)
		return m, 0, nil
	case err != nil:
		return nil, 0, fmt.Errorf("look up the mapping of %s on %s: %w", entity, c.Code, err)
	}
	if m, err = s.compile(c.Connector, entity, text); err != nil {
		return nil, number, fmt.Errorf("version %d of the mapping of %s on %s does not fit this hub: %w", number, entity, c.Code, err)
	}
	return m, number, nil
}

const selectByHash = `select mapping from mapping_versions where connection_id = $1 and entity = $2 and hash = $3 limit 1`

// Used returns the mapping of an entity that was used over a connection by its version ([mapping.Mapping.Version]), or the live one for
// "". It is nil where there is none, or none that fits this hub any more.
func (s *Store) Used(ctx context.Context, tx pgx.Tx, connectionID uuid.UUID, entity, version string) (*mapping.Mapping, error) {
	c, err := s.Connections.Get(ctx, tx, connectionID)
	if errors.Is(err, connection.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := s.live(ctx, tx, c, entity)
	if err != nil {
		return nil, err
	}
	if version == "" || m != nil && m.Version() == version {
		return m, nil
	}
	if m, ok := s.Shipped.For(c.Connector, entity); ok && m.Version() == version {
		return m, nil
	}
	var text string
	switch err := tx.QueryRow(ctx, selectByHash, connectionID, entity, version).Scan(&text); {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look up version %s of the mapping of %s: %w", version, entity, err)
	}
	if m, err = s.compile(c.Connector, entity, text); Misfit(err) {
		return nil, nil
	}
	return m, err
}

// UsedBy is [Store.Used] of one entity, which looks each version up once.
func (s *Store) UsedBy(ctx context.Context, tx pgx.Tx, entity string) func(connection uuid.UUID, version string) (*mapping.Mapping, error) {
	type use struct {
		connection uuid.UUID
		version    string
	}
	known := map[use]*mapping.Mapping{}
	return func(connection uuid.UUID, version string) (*mapping.Mapping, error) {
		u := use{connection, version}
		m, ok := known[u]
		if ok {
			return m, nil
		}
		m, err := s.Used(ctx, tx, connection, entity, version)
		if err == nil {
			known[u] = m
		}
		return m, err
	}
}

// Mapped returns what tells whether an entity has a mapping on a connection, its own or a shipped one.
func (s *Store) Mapped(ctx context.Context, tx pgx.Tx) (func(c connection.Connection, entity string) bool, error) {
	type place struct {
		connection uuid.UUID
		entity     string
	}
	own := map[place]bool{}
	rows, _ := tx.Query(ctx, `select connection_id, entity from mapping_versions where status = 'live'`)
	var at place
	if _, err := pgx.ForEachRow(rows, []any{&at.connection, &at.entity}, func() error { own[at] = true; return nil }); err != nil {
		return nil, fmt.Errorf("list live mappings: %w", err)
	}
	return func(c connection.Connection, entity string) bool {
		_, shipped := s.Shipped.For(c.Connector, entity)
		return shipped || own[place{c.ID, entity}]
	}, nil
}

const selectAllLive = `
select connection_id, string_agg(entity || ' ' || id::text, ',' order by entity) from mapping_versions where status = 'live' group by connection_id`

// AllLive tells, for every connection with live versions of its own, which they are: a text that changes when they do. The
// transaction is the system's.
func AllLive(ctx context.Context, tx pgx.Tx) (map[uuid.UUID]string, error) {
	rows, _ := tx.Query(ctx, selectAllLive)
	all := map[uuid.UUID]string{}
	var id uuid.UUID
	var which string
	_, err := pgx.ForEachRow(rows, []any{&id, &which}, func() error {
		all[id] = which
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list live mappings: %w", err)
	}
	return all, nil
}

const columns = `id, connection_id, entity, number, status, hash, mapping, examples, note, created_at, created_by, tested_at, published_at,
	coalesce(published_by, ''), retired_at`

func scan(row pgx.CollectableRow) (v Version, err error) {
	var examples []byte
	err = row.Scan(&v.ID, &v.ConnectionID, &v.Entity, &v.Number, &v.Status, &v.MappingVersion, &v.Text, &examples, &v.Note, &v.CreatedAt, &v.CreatedBy,
		&v.TestedAt, &v.PublishedAt, &v.PublishedBy, &v.RetiredAt)
	v.Examples = examples
	return v, err
}

func one(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Version, error) {
	return postgres.One(ctx, tx, "read or write a version of a mapping", scan, ErrNotFound, sql, args...)
}

// Get returns a version, or [ErrNotFound].
func (s *Store) Get(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Version, error) {
	return one(ctx, tx, "select "+columns+" from mapping_versions where id = $1", id)
}

// List returns the versions of a connection, of one entity or, if that is "", of all; the newest first, without their texts.
func (s *Store) List(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string) ([]Version, error) {
	rows, _ := tx.Query(ctx, "select "+columns+" from mapping_versions where connection_id = $1 and ($2 = '' or entity = $2)"+
		" order by entity, number desc limit 500", connection, entity)
	list, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("list versions of mappings: %w", err)
	}
	for i := range list {
		list[i].Text, list[i].Examples = "", nil
	}
	return list, nil
}

// A number is given under the connection's lock, so that two drafts at a time get two.
const lockConnection = `select from connections where id = $1 for no key update`

const insertVersion = `
insert into mapping_versions (id, connection_id, entity, number, mapping, examples, hash, note)
select $1, $2, $3, 1 + coalesce(max(number), 0), $4, nullif($5, '')::json, $6, $7 from mapping_versions where connection_id = $2 and entity = $3
returning ` + columns

// Add stores a draft. What is wrong with it is told as [schema.Violations], a fault of the text with its line.
func (s *Store) Add(ctx context.Context, tx pgx.Tx, in New) (Version, error) {
	c, err := s.Connections.Get(ctx, tx, in.ConnectionID)
	if errors.Is(err, connection.ErrNotFound) {
		return Version{}, schema.Violations{{Pointer: "/connection_id", Rule: "reference", Message: "there is no such connection"}}
	}
	if err != nil {
		return Version{}, err
	}
	m, err := s.Check(c, in)
	if err != nil {
		return Version{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Version{}, fmt.Errorf("add a version of a mapping: %w", err)
	}
	if _, err := tx.Exec(ctx, lockConnection, c.ID); err != nil {
		return Version{}, fmt.Errorf("add a version of a mapping: %w", err)
	}
	v, err := one(ctx, tx, insertVersion, id, c.ID, in.Entity, in.Text, string(in.Examples), m.Version(), in.Note)
	if err != nil {
		return Version{}, err
	}
	return v, v.record(ctx, tx, "drafted")
}

// Check compiles a draft, or says as [schema.Violations] what is wrong with it.
func (s *Store) Check(c connection.Connection, in New) (*mapping.Mapping, error) {
	if len(in.Text) > MaxText {
		return nil, schema.Violations{{Pointer: "/text", Rule: "maxLength", Message: fmt.Sprintf("has at most %d bytes", MaxText)}}
	}
	if strings.ContainsRune(in.Text+in.Note, 0) {
		return nil, schema.Violations{{Pointer: "/text", Rule: "pattern", Message: "has no null characters"}}
	}
	streams := s.Connections.Streams(c)
	known := false
	for _, stream := range streams {
		known = known || stream.Entity == in.Entity
	}
	if !known {
		return nil, schema.Violations{{Pointer: "/entity", Rule: "enum", Message: "the connector " + c.Connector + " does not carry it"}}
	}
	m, err := s.compile(c.Connector, in.Entity, in.Text)
	if faults, ok := errors.AsType[mapping.Faults](err); ok {
		vs := make(schema.Violations, len(faults))
		for i, f := range faults {
			vs[i] = schema.Violation{Pointer: "/text", Rule: "mapping", Message: fmt.Sprintf(placed+"%s", f.Line, f.Column, f.Message), Said: f.Said}
		}
		return nil, vs
	}
	if err != nil {
		return nil, err
	}
	for _, stream := range streams {
		if stream.Entity == in.Entity && stream.Record == m.Record() {
			return m, nil
		}
	}
	return nil, schema.Violations{{Pointer: "/text", Rule: "mapping", Message: "the connector " + c.Connector + " does not carry the record " + m.Record() + " as this entity", Said: schema.Say("not_carried", c.Connector, m.Record())}}
}

func (v Version) record(ctx context.Context, tx pgx.Tx, action string) error {
	return audit.Record(ctx, tx, audit.Act{Action: action, Entity: "mapping_version", EntityID: v.ID, Detail: map[string]any{
		"connection_id": v.ConnectionID, "entity": v.Entity, "number": v.Number, "mapping_version": v.MappingVersion, "note": v.Note,
	}})
}

// Compiled returns a version's mapping. The error is [schema.Violations] if it does not fit this hub any more.
func (s *Store) Compiled(c connection.Connection, v Version) (*mapping.Mapping, error) {
	return s.Check(c, New{Entity: v.Entity, Text: v.Text})
}

// placed begins what is said of a fault that has a place in a mapping's text.
const placed = "line %d, column %d: "

// LineOf is the line of a mapping's text that a violation is about, counted from 1; 0 where it is about no line.
func LineOf(v schema.Violation) (line int) {
	var column int
	if _, err := fmt.Sscanf(v.Message, placed, &line, &column); err != nil {
		return 0
	}
	return line
}
