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
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			seen, err := c.version()
			if err != nil {
				return answer{}, err
			}
			return e.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				found, err := e.CRM.GetForUpdate(ctx, tx, e.kind, []uuid.UUID{id})
				if err != nil {
					return answer{}, err
				}
				deleted := found[id]
				if deleted == nil || crm.HeadOf(deleted).DeletedAt == nil {
					return answer{}, notFound()
				}
				if err := e.permitOn(c, deleted, access.Delete); err != nil {
					return answer{}, err
				}
				if now := crm.HeadOf(deleted).Version; seen != 0 && seen != now {
					return answer{}, stale(now)
				}
				entity, err := e.CRM.Restore(ctx, tx, c.by(), e.kind, id, crm.HeadOf(deleted).Version)
				if err != nil {
					return answer{}, err
				}
				return e.answer(c, http.StatusOK, entity)
			})
		},
	}
}
