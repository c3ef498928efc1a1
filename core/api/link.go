package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/link"
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
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[link.Link]{Items: []link.Link{linkExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			f := link.Filter{
				Connection: c.idIn("connection_id", &faults), Entity: c.choiceIn("entity", kindNames(), &faults), EntityID: c.idIn("entity_id", &faults),
				RemoteID: c.query.Get("remote_id"), State: link.State(c.choiceIn("state", states, &faults)),
				After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			var found link.Page
			err := s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
				found, err = link.List(ctx, tx, f)
				return err
			})
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, page(c, found.Items, found.Next))
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
