package api

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/edit"
)

// reveal shows an entity's masked fields plainly. It is a POST, so that no browser or proxy asks for it on its own, and a
// line of the log says who asked for which.
func (e entities) reveal() operation {
	return operation{
		id: "reveal-" + string(e.kind), needs: may(e.resource(), access.Reveal), tag: "entities", summary: "Show the masked fields of " + article(e.kind),
		description: "The entity with what is masked to the caller shown plainly; what is hidden stays hidden. It is logged who asked.",
		status:      http.StatusOK, result: e.content(e.shown), versioned: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			var entity crm.Entity
			err = e.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) error {
				found, err := e.CRM.Get(ctx, tx, e.kind, []uuid.UUID{id})
				if err != nil {
					return err
				}
				entity, err = e.present(found, id)
				return err
			})
			if err != nil {
				return answer{}, err
			}
			if err := edit.Permit(c.who, entity, access.Reveal); err != nil {
				return answer{}, err
			}
			doc, err := crm.Document(entity)
			if err != nil {
				return answer{}, err
			}
			e.Logger.InfoContext(ctx, "masked fields revealed", "entity", e.kind, "entity_id", id, "actor", c.who.Principal.Actor)
			a, err := respond(http.StatusOK, c.who.Revealed(e.resource(), doc))
			a.ETag = etag(crm.HeadOf(entity).Version)
			return a, err
		},
	}
}
