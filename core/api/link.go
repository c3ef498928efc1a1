package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/edit"
	"crmhub/core/link"
	"crmhub/core/postgres"
	"crmhub/core/reconcile"
)

func (s *server) listLinks() operation {
	states := []string{"pending", "sending", "unknown", "linked", "parked", "waiting", "failed", "unlinked"}
	return operation{
		id: "list-links", needs: may(access.DeadLetters, access.Read), tag: "links", summary: "List links", description: "Which entity is which record, and whether both sides agree. Newest first.",
		parameters: append([]*huma.Param{
			idParameter("connection_id", "Those on this connection."),
			choiceParameter("entity", "Those of this kind of entity.", kindNames()),
			idParameter("entity_id", "Those of this entity."),
			queryParameter("remote_id", "That of the record with this id.", &huma.Schema{Type: huma.TypeString}, "1001"),
			choiceParameter("state", "Those that stand there.", states),
			queryParameter(textParameter, "Those of entities whose number, code or name this finds, and that of the record with this id.", &huma.Schema{Type: huma.TypeString}, "SO-2026-0042"),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[link.Link]{Items: []link.Link{linkExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			f := link.Filter{
				Connection: c.idIn("connection_id", &faults), Entity: c.choiceIn("entity", kindNames(), &faults), EntityID: c.idIn("entity_id", &faults),
				RemoteID: c.query.Get("remote_id"), Words: strings.TrimSpace(c.query.Get(textParameter)), State: link.State(c.choiceIn("state", states, &faults)),
				After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (p postgres.Page[link.Link], err error) {
				if f.Words != "" {
					if f.Named, err = edit.Named(ctx, tx, s.CRM, c.who, f.Entity, f.Words); err != nil {
						return p, err
					}
				}
				return link.List(ctx, tx, f)
			})
		},
	}
}

func linkExample() link.Link {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return link.Link{
		ID: uuid.MustParse(exampleID), ConnectionID: uuid.MustParse(exampleID), Entity: "order", EntityID: uuid.MustParse(exampleID),
		RemoteID: "1001", Reference: "SO-2026-0042", State: link.Linked, WantedVersion: 7, SyncedVersion: 7, CreatedAt: at, UpdatedAt: at,
	}
}

type linkInput struct {
	ConnectionID string `json:"connection_id" format:"uuid" doc:"On which connection."`
	Entity       string `json:"entity" doc:"What kind of entity it is." example:"customer"`
	EntityID     string `json:"entity_id" format:"uuid" doc:"Which entity."`
	RemoteID     string `json:"remote_id" minLength:"1" maxLength:"200" doc:"Which record there."`
}

func (s *server) addLink() operation {
	return operation{
		id: "add-link", needs: may(access.DeadLetters, access.Run), tag: "links", summary: "Link an entity with a record",
		description: "Where the system can be asked for the record, it must be there, and is merged with the entity at once, as on a first match: what only " +
			"one side says is taken over, and the mapping's authority decides the rest. Else that happens with the next pull that brings it.",
		body:   jsonBody(s.document, linkInput{ConnectionID: exampleID, Entity: "customer", EntityID: exampleID, RemoteID: "1001"}),
		status: http.StatusCreated, result: jsonBody(s.document, linkExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[linkInput](c)
			if err != nil {
				return answer{}, err
			}
			p := reconcile.Pair{Entity: in.Entity, RemoteID: in.RemoteID}
			if p.Connection, err = parseID("/connection_id", in.ConnectionID); err != nil {
				return answer{}, err
			}
			if p.EntityID, err = parseID("/entity_id", in.EntityID); err != nil {
				return answer{}, err
			}
			record, err := s.Reconciler.Ask(ctx, c.who.Principal, p) // no transaction is held while the other system thinks
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				made, err := s.Reconciler.Connect(ctx, tx, p, record)
				if err != nil {
					return answer{}, err
				}
				return respond(http.StatusCreated, made)
			})
		},
	}
}

func (s *server) getLink() operation {
	return operation{
		id: "get-link", needs: may(access.DeadLetters, access.Read), tag: "links", summary: "Get a link",
		status: http.StatusOK, result: jsonBody(s.document, linkExample()),
		serve: onID(s, link.Get),
	}
}

func (s *server) unlink() operation {
	example := linkExample()
	example.RemoteID, example.Reference, example.State, example.SyncedVersion = "", "", link.Unlinked, 0
	return operation{
		id: "unlink", needs: may(access.DeadLetters, access.Run), tag: "links", summary: "Take a link apart",
		description: "Entity and record live on and have nothing to do with each other: until somebody links the entity again it is not sent there, and no record is taken for it.",
		status:      http.StatusOK, result: jsonBody(s.document, example), keyed: true,
		serve: writeOnID(s, link.Disconnect),
	}
}
