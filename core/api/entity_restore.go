package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// restore takes back what was deleted. What was not answers 404, as it is not in the recycle bin.
func (e entities) restore() operation {
	return operation{
		id: "restore-" + slug(string(e.kind)), needs: may(e.resource(), access.Delete), tag: "entities", summary: "Restore " + article(e.kind) + " that was deleted",
		description: "It is in the list with deleted_at[null]=false, with its version. A code or number that another has meanwhile is a 422.",
		parameters:  []*huma.Param{ifMatch()},
		status:      http.StatusOK, result: e.content(e.shown), versioned: true, keyed: true,
		problems: []int{http.StatusPreconditionFailed, http.StatusPreconditionRequired, http.StatusUnprocessableEntity},
		serve: func(ctx context.Context, c *call) (answer, error) {
			seen, err := c.version()
			if err != nil {
				return answer{}, err
			}
			return e.change(ctx, c, func(tx pgx.Tx, id uuid.UUID) (crm.Entity, error) {
				return e.editor.Restore(ctx, tx, c.author(), e.kind, id, seen)
			})
		},
	}
}
