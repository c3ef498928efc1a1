package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/connection"
	"crmhub/core/schema"
)

type connectionInput struct {
	Code      string         `json:"code" pattern:"^[a-z][a-z0-9-]{0,40}$" doc:"Unique; never changes. It is the origin of what comes from there."`
	Name      string         `json:"name" minLength:"1" doc:"For people."`
	Connector string         `json:"connector" doc:"The kind of system."`
	Config    map[string]any `json:"config" doc:"As the connector's own schema says, secrets included. Secrets are never shown again."`
}

type connectionPatch struct {
	Name   string         `json:"name,omitempty" minLength:"1" doc:"For people."`
	Config map[string]any `json:"config,omitempty" doc:"Merged into the configuration. A secret that is absent stays; null takes a field or a secret away."`

	SameSystem bool `json:"same_system,omitempty" doc:"It holds the same records and only moved. Without it no connection with links is pointed at another address, database or tenant: their ids would mean other records there."`
}

func (s *server) listConnections() operation {
	return operation{
		id: "list-connections", needs: may(access.Connections, access.Read), tag: "connections", summary: "List connections",
		status: http.StatusOK, result: jsonBody(s.document, list[connection.Connection]{Items: []connection.Connection{connectionExample()}}),
		serve: readAll(s, s.Connections.List),
	}
}

func (s *server) addConnection() operation {
	return operation{
		id: "add-connection", needs: may(access.Connections, access.Create), tag: "connections", summary: "Add a connection",
		body: jsonBody(s.document, connectionInput{
			Code: "erp", Name: "Tryton", Connector: "tryton",
			Config: map[string]any{"url": "https://erp.example.com", "database": "main", "user": "crmhub", "password": "…"},
		}),
		status: http.StatusCreated, result: jsonBody(s.document, connectionExample()), versioned: true, located: true, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[connectionInput](c)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				added, err := s.Connections.Add(ctx, tx, connection.New{Code: in.Code, Name: in.Name, Connector: in.Connector, Config: in.Config})
				if err != nil {
					return answer{}, err
				}
				a, err := connectionAnswer(http.StatusCreated, added)
				a.Location = prefix + "/connections/" + added.ID.String()
				return a, err
			})
		},
	}
}

func (s *server) getConnection() operation {
	return operation{
		id: "get-connection", needs: may(access.Connections, access.Read), tag: "connections", summary: "Get a connection",
		status: http.StatusOK, result: jsonBody(s.document, connectionExample()), versioned: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			found, err := s.findConnection(ctx, c)
			if err != nil {
				return answer{}, err
			}
			return connectionAnswer(http.StatusOK, found)
		},
	}
}

func (s *server) patchConnection() operation {
	return operation{
		id: "update-connection", needs: may(access.Connections, access.Update), tag: "connections", summary: "Change a connection",
		description: "A JSON merge patch (RFC 7396). Code and connector never change.",
		parameters:  []*huma.Param{ifMatch()},
		body:        mergePatchBody(s.document, connectionPatch{Name: "Tryton, main"}),
		status:      http.StatusOK, result: jsonBody(s.document, connectionExample()), versioned: true, keyed: true,
		problems: []int{http.StatusPreconditionFailed, http.StatusPreconditionRequired},
		serve: func(ctx context.Context, c *call) (answer, error) {
			patch, err := decode[connectionPatch](c)
			if err != nil {
				return answer{}, err
			}
			return s.changeConnection(ctx, c, func(tx pgx.Tx, old connection.Connection) (answer, error) {
				change := connection.Change{Name: old.Name, Config: s.mergeConfig(old, patch.Config), SameSystem: patch.SameSystem}
				if patch.Name != "" {
					change.Name = patch.Name
				}
				changed, err := s.Connections.Update(ctx, tx, old.ID, old.Version, change)
				if err != nil {
					return answer{}, err
				}
				return connectionAnswer(http.StatusOK, changed)
			})
		},
	}
}

// mergeConfig applies a patch to a configuration. The nulls of secrets stay in it: the store takes the absence of a
// secret for "as it is", since what it gave out had none.
func (s *server) mergeConfig(old connection.Connection, patch map[string]any) map[string]any {
	merged, _ := schema.MergePatch(old.Config, patch).(map[string]any)
	if patch == nil {
		return old.Config
	}
	secrets := s.Connections.Connectors[old.Connector].Secrets
	for name, value := range patch {
		if value == nil && slices.Contains(secrets, name) {
			merged[name] = nil
		}
	}
	return merged
}

func (s *server) deleteConnection() operation {
	return operation{
		id: "delete-connection", needs: may(access.Connections, access.Delete), tag: "connections", summary: "Delete a connection",
		description: "Its links, jobs, runs and dead letters go with it; what came over it stays.",
		parameters:  []*huma.Param{ifMatch()},
		status:      http.StatusNoContent, keyed: true,
		problems: []int{http.StatusPreconditionFailed, http.StatusPreconditionRequired},
		serve: func(ctx context.Context, c *call) (answer, error) {
			return s.changeConnection(ctx, c, func(tx pgx.Tx, old connection.Connection) (answer, error) {
				return answer{Status: http.StatusNoContent}, s.Connections.Delete(ctx, tx, old.ID, old.Version)
			})
		},
	}
}

// changeConnection runs do on a connection if it still is what the caller has seen.
func (s *server) changeConnection(ctx context.Context, c *call, do func(pgx.Tx, connection.Connection) (answer, error)) (answer, error) {
	id, err := c.id()
	if err != nil {
		return answer{}, err
	}
	seen, err := c.version()
	if err != nil {
		return answer{}, err
	}
	return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
		old, err := s.connectionSeen(ctx, tx, id, seen)
		if err != nil {
			return answer{}, err
		}
		return do(tx, old)
	})
}
