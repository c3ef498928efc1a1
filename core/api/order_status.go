package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

type orderStatus struct {
	Status string `json:"status" doc:"Where the order moves. What may follow what is said at the status field of Order."`
}

// moveOrder changes an order's status alone, so that the caller need not have read the rest: without If-Match the
// transition itself is what guards against a change meanwhile.
func (e entities) moveOrder() operation {
	match := ifMatch()
	match.Required = false
	match.Description = "The ETag of the version you have seen; without it any version moves, if its status allows."
	return operation{
		id: "move-order", needs: may(e.resource(), access.Update, access.Approve), tag: "entities", summary: "Move an order to another status",
		description: "A status that may not follow the present one is refused with 422, which lists those that may.",
		parameters:  []*huma.Param{match},
		body:        jsonBody(e.document, orderStatus{Status: "confirmed"}),
		status:      http.StatusOK, result: e.content(e.shown), versioned: true, keyed: true,
		problems: []int{http.StatusPreconditionFailed},
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[orderStatus](c)
			if err != nil {
				return answer{}, err
			}
			var seen int64
			if c.request.Header.Get("If-Match") != "" {
				if seen, err = c.version(); err != nil {
					return answer{}, err
				}
			}
			return e.change(ctx, c, seen, func(tx pgx.Tx, stored crm.Entity) (answer, error) {
				patch := map[string]any{"status": in.Status}
				entity, err := e.merge(stored, patch)
				if err != nil {
					return answer{}, err
				}
				if err := e.permitMove(c, patch, stored, entity); err != nil {
					return answer{}, err
				}
				return e.save(ctx, tx, c, http.StatusOK, entity)
			})
		},
	}
}
