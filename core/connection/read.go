package connection

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/schema"
)

const (
	columns = `c.organization_id, c.id, c.version, c.code, c.name, c.connector, c.config::text, c.status,
	c.created_at, c.created_by, c.updated_at, c.updated_by, c.secrets, (select o.code from organizations o where o.id = c.organization_id), (
		select json_strip_nulls(json_build_object('state', b.state, 'since', b.since, 'next_probe_at', b.next_probe_at, 'attempts', b.attempt,
			'failed_at', b.failed_at, 'class', b.class, 'code', b.code, 'message', b.message, 'remedy', b.remedy,
			'said', b.said::json))::text
		from breakers b
		where b.organization_id = c.organization_id and b.connection_id = c.id)`
	selectConnection = `select ` + columns + ` from connections c`
)

// Get returns a connection, or ErrNotFound.
func (s *Store) Get(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Connection, error) {
	return one(ctx, tx, selectConnection+` where c.id = $1`, id)
}

// GetByCode returns the connection with the code, or ErrNotFound.
func (s *Store) GetByCode(ctx context.Context, tx pgx.Tx, code string) (Connection, error) {
	return one(ctx, tx, selectConnection+` where c.code = $1`, code)
}

// List returns all connections of the organization by code. There are few: they are set up by hand.
func (s *Store) List(ctx context.Context, tx pgx.Tx) ([]Connection, error) {
	return postgres.All(ctx, tx, "list connections", scan, selectConnection+` order by c.code`)
}

const selectActive = selectConnection + `
where c.status = 'active'
order by c.organization_id, c.code`

// AllActive returns the active connections of every organization, for the engine. The transaction is the system's.
func (s *Store) AllActive(ctx context.Context, tx pgx.Tx) ([]Connection, error) {
	return postgres.All(ctx, tx, "list active connections", scan, selectActive)
}

func one(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Connection, error) {
	return postgres.One(ctx, tx, "read or write a connection", scan, ErrNotFound, sql, args...)
}

func scan(row pgx.CollectableRow) (c Connection, err error) {
	var config, breaker []byte
	err = row.Scan(&c.Organization, &c.ID, &c.Version, &c.Code, &c.Name, &c.Connector, &config, &c.Status,
		&c.CreatedAt, &c.CreatedBy, &c.UpdatedAt, &c.UpdatedBy, &c.sealed, &c.OrganizationCode, &breaker)
	if err != nil {
		return c, err
	}
	doc, err := schema.DecodeJSON(config) // a number stays as it was typed
	if err != nil {
		return c, fmt.Errorf("configuration of connection %s: %w", c.Code, err)
	}
	c.Config, _ = doc.(map[string]any)
	c.Breaker = Breaker{State: Closed}
	if breaker == nil {
		return c, nil
	}
	var stored struct {
		Breaker
		Said *schema.Saying `json:"said"`
	}
	stored.State = Closed
	if err := json.Unmarshal(breaker, &stored); err != nil {
		return c, fmt.Errorf("breaker of connection %s: %w", c.Code, err)
	}
	c.Breaker, c.Breaker.Said = stored.Breaker, stored.Said
	return c, nil
}

// SecretNames returns which secrets of a connection are stored, sorted; never what they are.
func (s *Store) SecretNames(c Connection) ([]string, error) {
	secrets, err := s.Key.Open(c.ID.String(), c.sealed)
	if err != nil {
		return nil, fmt.Errorf("read the secrets of connection %s: %w", c.Code, err)
	}
	return slices.Sorted(maps.Keys(secrets)), nil
}
