package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/connection"
	"crmhub/core/connector"
)

// checkResult is what a check found. A system that cannot be reached is a result, not an error of the request.
type checkResult struct {
	OK         bool   `json:"ok" doc:"The system answered and the credentials suffice."`
	DurationMS int64  `json:"duration_ms" doc:"How long it took, in milliseconds."`
	Class      string `json:"class,omitempty" doc:"What kind of failure: transient, quota, auth, config, data, conflict or business."`
	Code       string `json:"code,omitempty" doc:"The system's own code."`
	Message    string `json:"message,omitempty" doc:"What it said or what broke."`
	Remedy     string `json:"remedy,omitempty" doc:"What can be done about it."`
}

func (s *server) checkConnection() operation {
	return operation{
		id: "check-connection", needs: may(access.Connections, access.Update), tag: "connections", summary: "Check a connection",
		description: "Calls the system, harmlessly, and says what came of it. A connection that is held back goes on if the system answers.",
		status:      http.StatusOK, result: jsonBody(s.document, checkResult{
			DurationMS: 131, Class: "auth", Code: "401", Message: "The credentials were refused.", Remedy: "Enter the password again.",
		}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			found, err := s.findConnection(ctx, c)
			if err != nil {
				return answer{}, err
			}
			started := s.now()
			err = s.Connections.CheckNow(ctx, s.Breakers, found)
			if errors.Is(err, context.Canceled) {
				return answer{}, err
			}
			result := checkResult{OK: err == nil, DurationMS: s.now().Sub(started).Milliseconds()}
			if err != nil {
				e := connector.AsError(err)
				result.Class, result.Code, result.Message, result.Remedy = string(e.Class), e.Code, e.Message, e.Remedy
			}
			return respond(http.StatusOK, result)
		},
	}
}

func (s *server) pauseConnection() operation {
	return s.setConnectionStatus("pause", "Pause a connection", connection.Paused,
		"Nothing is pushed or pulled until it is resumed; what is wanted meanwhile is remembered.")
}

func (s *server) resumeConnection() operation {
	return s.setConnectionStatus("resume", "Resume a connection", connection.Active, "What was wanted meanwhile is pushed.")
}

func (s *server) setConnectionStatus(verb, summary string, status connection.Status, description string) operation {
	return operation{
		id: verb + "-connection", needs: may(access.Connections, access.Update), tag: "connections", summary: summary, description: description,
		status: http.StatusOK, result: jsonBody(s.document, connectionExample()), versioned: true, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				old, err := s.connectionSeen(ctx, tx, id, 0)
				if err != nil {
					return answer{}, err
				}
				if old.Status == status {
					return connectionAnswer(http.StatusOK, old)
				}
				changed, err := s.Connections.SetStatus(ctx, tx, id, old.Version, status)
				if err != nil {
					return answer{}, err
				}
				return connectionAnswer(http.StatusOK, changed)
			})
		},
	}
}

func (s *server) findConnection(ctx context.Context, c *call) (found connection.Connection, err error) {
	id, err := c.id()
	if err != nil {
		return found, err
	}
	err = s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
		found, err = s.Connections.Get(ctx, tx, id)
		return err
	})
	return found, err
}

// connectionSeen returns a connection if it still is what the caller has seen; 0 is any version.
func (s *server) connectionSeen(ctx context.Context, tx pgx.Tx, id uuid.UUID, seen int64) (connection.Connection, error) {
	found, err := s.Connections.Get(ctx, tx, id)
	if err == nil && seen != 0 && seen != found.Version {
		return found, stale(found.Version)
	}
	return found, err
}

func connectionAnswer(status int, c connection.Connection) (answer, error) {
	a, err := respond(status, c)
	a.ETag = etag(c.Version)
	return a, err
}

func connectionExample() connection.Connection {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return connection.Connection{
		ID: uuid.MustParse(exampleID), Version: 1, Code: "erp", Name: "Tryton", Connector: "tryton", Status: connection.Active,
		Breaker:   connection.Breaker{State: connection.Closed},
		Config:    map[string]any{"url": "https://erp.example.com", "database": "main", "user": "crmhub"},
		CreatedAt: at, CreatedBy: exampleActor, UpdatedAt: at, UpdatedBy: exampleActor,
	}
}
