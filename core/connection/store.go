package connection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/connector"
	"crmhub/core/postgres"
	"crmhub/core/schema"
	"crmhub/core/secret"
)

// Store reads and writes connections in the caller's transaction, and opens sessions with them.
type Store struct {
	Connectors map[string]connector.Connector // by name
	Key        secret.Key                     // seals the secrets
	Logger     *slog.Logger                   // what a session logs with; the connection is added
	DB         *postgres.DB                   // stores secrets that change with use; nil: sessions keep them to themselves
	Folders    string                         // where each connection has a folder of its own, see [Store.Folder]; "" gives none
}

const insertConnection = `
insert into connections as c (id, code, name, connector, config, secrets)
values ($1, $2, $3, $4, $5, $6)
on conflict (organization_id, code) do nothing
returning ` + columns

// Add stores a new, active connection. Everything wrong with it is reported at once as [schema.Violations].
func (s *Store) Add(ctx context.Context, tx pgx.Tx, in New) (Connection, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Connection{}, fmt.Errorf("add connection: %w", err)
	}
	vs := append(checkCode(in.Code), checkName(in.Name)...)
	c, known := s.Connectors[in.Connector]
	if !known {
		return Connection{}, append(vs, unknownConnector(s.Connectors))
	}
	plain, sealed, err := s.seal(c, id, in.Config, nil, vs)
	if err != nil {
		return Connection{}, err
	}
	rows, _ := tx.Query(ctx, insertConnection, id, in.Code, in.Name, in.Connector, plain, sealed)
	got, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return Connection{}, schema.Violations{{Pointer: "/code", Rule: "unique", Message: "another connection has this code"}}
	}
	if err != nil {
		return Connection{}, fmt.Errorf("add connection %s: %w", in.Code, err)
	}
	return got, audit.Record(ctx, tx, audit.Act{Action: "created", Entity: "connection", EntityID: got.ID, Version: got.Version, Detail: got})
}

const updateConnection = `
update connections c set name = $2, config = $3, secrets = $4, version = version + 1, updated_at = now(), updated_by = crmhub_actor()
where id = $1
returning ` + columns

// Update replaces the name and configuration of a connection last seen in the given version; see [Change] for secrets.
// Errors: [schema.Violations], [ErrNotFound], [ErrStale].
func (s *Store) Update(ctx context.Context, tx pgx.Tx, id uuid.UUID, version int64, in Change) (Connection, error) {
	old, err := s.lock(ctx, tx, id, version)
	if err != nil {
		return Connection{}, err
	}
	vs := checkName(in.Name)
	c, known := s.Connectors[old.Connector]
	if !known {
		return Connection{}, append(vs, unknownConnector(s.Connectors))
	}
	stored, err := s.Key.Open(id.String(), old.sealed)
	if err != nil {
		return Connection{}, fmt.Errorf("update connection %s: %w", old.Code, err)
	}
	plain, sealed, err := s.seal(c, id, in.Config, stored, vs)
	if err != nil {
		return Connection{}, err
	}
	if !in.SameSystem {
		if err := elsewhere(ctx, tx, c, old, in.Config); err != nil {
			return Connection{}, err
		}
	}
	if err := forget(ctx, tx, id); err != nil {
		return Connection{}, err
	}
	got, err := one(ctx, tx, updateConnection, id, in.Name, plain, sealed)
	if err != nil {
		return Connection{}, err
	}
	return got, record(ctx, tx, "updated", old, got, givenSecrets(c, in.Config))
}

const setStatus = `
update connections c set status = $2, version = version + 1, updated_at = now(), updated_by = crmhub_actor()
where id = $1
returning ` + columns

// SetStatus pauses or resumes a connection last seen in the given version. Errors: as Update's.
func (s *Store) SetStatus(ctx context.Context, tx pgx.Tx, id uuid.UUID, version int64, status Status) (Connection, error) {
	if status != Active && status != Paused {
		return Connection{}, schema.Violations{{Pointer: "/status", Rule: "enum", Message: "a connection is active or paused"}}
	}
	old, err := s.lock(ctx, tx, id, version)
	if err != nil {
		return Connection{}, err
	}
	if err := forget(ctx, tx, id); err != nil {
		return Connection{}, err
	}
	got, err := one(ctx, tx, setStatus, id, status)
	if err != nil {
		return Connection{}, err
	}
	return got, record(ctx, tx, "updated", old, got, nil)
}

// forget lets a connection go on that was held back: a person has changed it.
func forget(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	if _, err := tx.Exec(ctx, `delete from breakers where connection_id = $1`, id); err != nil {
		return fmt.Errorf("forget the breaker of connection %s: %w", id, err)
	}
	return nil
}

const deleteConnection = `delete from connections where id = $1`

// Delete removes a connection last seen in the given version, and with it its links, jobs, runs and dead letters.
// What was pulled over it stays. Errors: [ErrNotFound], [ErrStale].
func (s *Store) Delete(ctx context.Context, tx pgx.Tx, id uuid.UUID, version int64) error {
	old, err := s.lock(ctx, tx, id, version)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, deleteConnection, id); err != nil {
		return fmt.Errorf("delete connection %s: %w", id, err)
	}
	return audit.Record(ctx, tx, audit.Act{Action: "deleted", Entity: "connection", EntityID: id, Version: version, Detail: old})
}

// record writes a change down for the audit trail, with the names of the secrets that were given, never their values.
func record(ctx context.Context, tx pgx.Tx, action string, old, got Connection, secrets []string) error {
	type settings struct {
		Name    string         `json:"name"`
		Config  map[string]any `json:"config"`
		Status  Status         `json:"status"`
		Secrets []string       `json:"secrets_given,omitempty"`
	}
	changed, err := audit.Diff(settings{Name: old.Name, Config: old.Config, Status: old.Status}, settings{got.Name, got.Config, got.Status, secrets})
	if err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Act{Action: action, Entity: "connection", EntityID: got.ID, Version: got.Version, Detail: changed})
}

// Streams are what a connection carries; none if there is no such connector in this hub.
func (s *Store) Streams(c Connection) []connector.Stream {
	return s.Connectors[c.Connector].Carried(c.Config)
}

// Open starts a session with the connection's settings and secrets. It calls nobody: the session's Check does.
func (s *Store) Open(c Connection) (connector.Session, error) {
	if s.DB == nil {
		return s.open(c, nil)
	}
	return s.open(c, func(ctx context.Context, name string, renew renewal) error { return s.renew(ctx, c, name, renew) })
}

// renewal makes the next secret of the one that is kept now.
type renewal = func(current secret.Text) (secret.Text, error)

func (s *Store) open(c Connection, renew func(ctx context.Context, name string, renew renewal) error) (connector.Session, error) {
	kind, known := s.Connectors[c.Connector]
	if !known {
		return nil, fmt.Errorf("open connection %s: there is no connector %q in this hub", c.Code, c.Connector)
	}
	secrets, err := s.Key.Open(c.ID.String(), c.sealed)
	if err != nil {
		return nil, fmt.Errorf("open connection %s: %w", c.Code, err)
	}
	options := connector.Options{
		Organization: c.OrganizationCode, Connection: c.Code, Config: c.Config, Secrets: secrets, Logger: s.Logger.With("connection", c.Code),
		Folder: s.Folder(c), Renew: renew,
	}
	session, err := kind.Open(options)
	if err != nil {
		return nil, fmt.Errorf("open connection %s: %w", c.Code, err)
	}
	return session, nil
}

const (
	lockSecrets = `select secrets from connections where id = $1 for no key update`
	setSecrets  = `update connections set secrets = $2 where id = $1`
)

// renew implements [connector.Options].Renew. The row's lock is what holds others off. The version stays: nobody changed
// what the connection is, and sessions that are open go on.
func (s *Store) renew(ctx context.Context, c Connection, name string, renew renewal) error {
	err := s.DB.As(ctx, c.Principal(), func(tx pgx.Tx) error {
		var sealed []byte
		if err := tx.QueryRow(ctx, lockSecrets, c.ID).Scan(&sealed); err != nil {
			return err
		}
		secrets, err := s.Key.Open(c.ID.String(), sealed)
		if err != nil {
			return err
		}
		next, err := renew(secrets[name])
		if err != nil || next.Reveal() == secrets[name].Reveal() {
			return err
		}
		secrets[name] = next
		if sealed, err = s.Key.Seal(c.ID.String(), secrets); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, setSecrets, c.ID, sealed)
		return err
	})
	if err != nil {
		return fmt.Errorf("renew secret %s of connection %s: %w", name, c.Code, err)
	}
	return nil
}

// Folder is the path of the folder that is a connection's own: <Folders>/<organization>/<connection>, by their codes. No
// setting reaches out of it, so who may configure a connection reads and writes no other file of the machine.
func (s *Store) Folder(c Connection) string {
	if s.Folders == "" {
		return ""
	}
	return filepath.Join(s.Folders, c.OrganizationCode, c.Code)
}

// seal checks a configuration together with the stored secrets it leaves out, and returns its two halves as stored.
func (s *Store) seal(c connector.Connector, id uuid.UUID, config map[string]any, stored map[string]secret.Text, vs schema.Violations) (plain, sealed []byte, err error) {
	w := whole(c, config, stored)
	faults, err := checkConfig(c, w)
	if err != nil {
		return nil, nil, err
	}
	rest, secrets, odd := split(c, w)
	if vs = append(append(vs, faults...), odd...); len(vs) > 0 {
		return nil, nil, vs
	}
	if plain, err = json.Marshal(rest); err != nil {
		return nil, nil, fmt.Errorf("encode configuration: %w", err)
	}
	if sealed, err = s.Key.Seal(id.String(), secrets); err != nil {
		return nil, nil, err
	}
	return plain, sealed, nil
}

// lock reads a connection for update and compares its version with the one the caller saw.
func (s *Store) lock(ctx context.Context, tx pgx.Tx, id uuid.UUID, version int64) (Connection, error) {
	c, err := one(ctx, tx, selectConnection+` where c.id = $1 for update`, id)
	if err == nil && c.Version != version {
		return Connection{}, ErrStale
	}
	return c, err
}
