package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/drift"
	"crmhub/core/postgres"
)

type driftAcknowledgement struct {
	Note string `json:"note,omitempty" maxLength:"1000" doc:"What is known about it."`
}

func (s *server) listDrift() operation {
	statuses := []string{"open", "resolved"}
	return operation{
		id: "list-drift", needs: may(access.Connections, access.Read), tag: "connections", summary: "How a system's records changed their shape",
		description: "Fields that are new or come no more, other types, new codes, longer texts, more decimals: noticed while records are read. " +
			"The one opened last first. No values are kept.",
		parameters: append([]*huma.Param{choiceParameter("status", "Those that stand there.", statuses)}, pageParameters()...),
		status:     http.StatusOK, result: jsonBody(s.document, list[drift.Finding]{Items: []drift.Finding{driftExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			var faults parameterFaults
			f := drift.Filter{Connection: id, Status: c.choiceIn("status", statuses, &faults), After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults)}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (p postgres.Page[drift.Finding], err error) {
				if _, err = s.Connections.Get(ctx, tx, id); err != nil {
					return p, err
				}
				return drift.List(ctx, tx, f)
			})
		},
	}
}

func (s *server) getDrift() operation {
	return operation{
		id: "get-drift", needs: may(access.Connections, access.Read), tag: "connections", summary: "Get a change of shape",
		status: http.StatusOK, result: jsonBody(s.document, driftExample()),
		serve: onID(s, drift.Get),
	}
}

func (s *server) acknowledgeDrift() operation {
	return operation{
		id: "acknowledge-drift", needs: may(access.Connections, access.Update), tag: "connections", summary: "Say that a change of shape is known",
		description: "It raises no alert any more, and stays until it comes no more. A further type or code of it is news again.",
		body:        jsonBody(s.document, driftAcknowledgement{Note: "Since their update of July; the mapping is being changed."}),
		status:      http.StatusOK, result: jsonBody(s.document, driftExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[driftAcknowledgement](c)
			if err != nil {
				return answer{}, err
			}
			return writeOnID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (drift.Finding, error) {
				return drift.Acknowledge(ctx, tx, id, in.Note)
			})(ctx, c)
		},
	}
}

func driftExample() drift.Finding {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return drift.Finding{
		ID: uuid.MustParse(exampleID), ConnectionID: uuid.MustParse(exampleID), Entity: "customer", Record: "party", Kind: drift.MissingField,
		Pointer: "/party/vat", Rule: "erp/customer.yaml:12", Serious: true, Count: 12, Of: 12,
		Message: "the mapping erp/customer.yaml reads /party/vat (line 12), which has not come since 2026-09-01 08:00 UTC (12 of 12)",
		RunID:   uuid.MustParse(exampleID), OpenedAt: at, SeenAt: at,
	}
}
