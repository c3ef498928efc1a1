// Package connection keeps the configured instances of connectors: which ERP, with which settings and secrets.
//
// Promises: what is stored fits its connector's configuration schema; secrets are sealed at rest, bound to their
// connection, and leave only into the session that [Store.Open] starts; no read gives them back.
// It leaves to others: what flows over a connection (push, pull) and who may change one (access).
package connection

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"crmhub/core/postgres"
)

// Status says whether anything flows over a connection.
type Status string

// The statuses.
const (
	Active Status = "active"
	Paused Status = "paused"
)

// Connection is a configured instance of a connector.
type Connection struct {
	Organization uuid.UUID      `json:"-"`
	ID           uuid.UUID      `json:"id"`
	Version      int64          `json:"version"`   // grows by one with each change
	Code         string         `json:"code"`      // unique in the organization, never changes: it is the origin of what is pulled
	Name         string         `json:"name"`      // for people
	Connector    string         `json:"connector"` // never changes: links belong to it
	Config       map[string]any `json:"config"`    // without the secrets; numbers are json.Number
	Status       Status         `json:"status"`
	Breaker      Breaker        `json:"breaker"` // whether calls go through while it is active
	CreatedAt    time.Time      `json:"created_at"`
	CreatedBy    string         `json:"created_by"`
	UpdatedAt    time.Time      `json:"updated_at"`
	UpdatedBy    string         `json:"updated_by"`

	OrganizationCode string `json:"-"` // topic names need it

	sealed []byte
}

// Principal is the connection acting in its organization: who writes what is pulled over it.
func (c Connection) Principal() postgres.Principal {
	return postgres.Principal{Organization: c.Organization, Actor: postgres.Connection(c.ID)}
}

// New is a connection to be added.
type New struct {
	Code      string         `json:"code"`
	Name      string         `json:"name"`
	Connector string         `json:"connector"`
	Config    map[string]any `json:"config"` // secrets included
}

// Change replaces a connection's name and configuration.
type Change struct {
	Name string `json:"name"`
	// Config is the whole configuration. A secret that is absent stays as it is; one that is null goes away.
	Config map[string]any `json:"config"`
	// SameSystem says that settings which tell one system from another do not mean another one: it only moved.
	SameSystem bool `json:"same_system"`
}

// The errors that callers branch on.
var (
	ErrNotFound = postgres.NotFound("the connection does not exist")
	ErrStale    = errors.New("the connection was changed meanwhile: read it again")
)
