package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/connectors"
	"crmhub/core/access"
	"crmhub/core/api"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/pull"
	"crmhub/core/revision"
	"crmhub/core/schema"
	"crmhub/core/secret"
)

// session is what a command works with that reads or writes the store: the hub itself, acting in one organization.
type session struct {
	db          *postgres.DB
	who         postgres.Principal
	files       *connectors.Set
	connectors  map[string]connector.Connector
	connections *connection.Store
	jobs        *job.Store
	access      *access.Store
	key         secret.Key
	undo        closers
}

func openSession(ctx context.Context, c *Config, out output) (*session, error) {
	logger := c.logger(out.stderr)
	if c.LogLevel == slog.LevelInfo {
		logger = slog.New(slog.DiscardHandler) // a command says what it has to say itself
	}
	s := &session{}
	var err error
	if s.db, err = c.openDatabase(ctx, false, logger, &s.undo); err != nil {
		return nil, errors.Join(err, s.undo.close(ctx))
	}
	if err := s.prepare(ctx, c, logger, out); err != nil {
		return nil, errors.Join(err, s.undo.close(ctx))
	}
	return s, nil
}

// openConnection is openSession for a command that looks around before it opens anything, such as whether a hub runs; others take
// a *session. It finds a connection by its code.
func openConnection(ctx context.Context, c *Config, out output, code string) (*session, connection.Connection, error) {
	s, err := openSession(ctx, c, out)
	if err != nil {
		return nil, connection.Connection{}, err
	}
	conn, err := s.connection(ctx, code)
	if err != nil {
		s.closeInto(ctx, &err)
		return nil, conn, err
	}
	return s, conn, nil
}

func (s *session) prepare(ctx context.Context, c *Config, logger *slog.Logger, out output) error {
	var err error
	if s.key, err = c.key(); err != nil {
		return err
	}
	if s.files, err = connectors.Load(c.connectorsDir()); err != nil {
		return err
	}
	s.connectors = s.files.ByName()
	s.connections = &connection.Store{Connectors: s.connectors, Key: s.key, Logger: logger, DB: s.db, Folders: c.FilesDir}
	s.jobs = &job.Store{Connectors: s.connectors}
	s.access = &access.Store{DB: s.db, Key: s.key, Entities: api.Entities()}
	if c.Organization == access.MainOrganization {
		first, err := s.access.Bootstrap(ctx, c.BaseCurrency)
		if err != nil {
			return err
		}
		if first.Login != "" {
			fmt.Fprintf(out.stderr, "First start. Sign in as %s with password %s (shown once).\n", first.Login, first.Password.Reveal())
		}
	}
	org, err := s.access.Organization(ctx, c.Organization)
	if err != nil {
		return fmt.Errorf("organization %q: %w", c.Organization, err)
	}
	s.who = postgres.Principal{Organization: org.ID, Actor: postgres.System}
	return nil
}

// closeInto undoes what opening did, and adds what went wrong to err.
func (s *session) closeInto(ctx context.Context, err *error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	*err = errors.Join(*err, s.undo.close(ctx))
}

func (s *session) connection(ctx context.Context, code string) (conn connection.Connection, err error) {
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) error {
		conn, err = s.connections.GetByCode(ctx, tx, code)
		return err
	})
	if err != nil {
		return conn, fmt.Errorf("connection %s: %w", code, err)
	}
	return conn, nil
}

// user is the one with a login, or [access.ErrNotFound].
func (s *session) user(ctx context.Context, login string) (access.User, error) {
	users, err := s.access.Users(ctx, s.who)
	if err != nil {
		return access.User{}, err
	}
	i := slices.IndexFunc(users, func(u access.User) bool { return u.Login == login })
	if i < 0 {
		return access.User{}, fmt.Errorf("user %q: %w", login, access.ErrNotFound)
	}
	return users[i], nil
}

// check calls the connection's system; a connection that is held back goes on if it answers.
func (s *session) check(ctx context.Context, conn connection.Connection) error {
	if err := s.connections.CheckNow(ctx, &connection.Breakers{DB: s.db}, conn); err != nil {
		return fmt.Errorf("check %s: %w", conn.Code, err)
	}
	return nil
}

func (s *session) standings(ctx context.Context) (connections []connection.Connection, standings map[uuid.UUID]link.Standing, err error) {
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) error {
		if connections, err = s.connections.List(ctx, tx); err != nil {
			return err
		}
		standings, err = link.Standings(ctx, tx)
		return err
	})
	return connections, standings, err
}

func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// revisions are the mappings that are shipped and the organization's own versions of them.
func (s *session) revisions() (*revision.Store, error) {
	compiled, err := schema.Load(s.files.Schemas)
	if err != nil {
		return nil, err
	}
	set, err := mapping.Load(s.files.Mappings, compiled)
	if err != nil {
		return nil, err
	}
	return &revision.Store{Shipped: set, Schemas: compiled, Connections: s.connections, CRM: &crm.Store{}}, nil
}

// puller reads records as the running hub does; its numbers go nowhere.
func (s *session) puller(revisions *revision.Store, logger *slog.Logger) *pull.Puller {
	return pull.New(pull.Config{
		DB: s.db, Connections: s.connections, Revisions: revisions, Entities: revisions.CRM, Logger: logger, Registerer: prometheus.NewRegistry(),
	})
}
