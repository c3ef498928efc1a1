package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/match"
)

// entities is the resource of one kind: /customers, /orders and so on. All kinds are served by this one type.
type entities struct {
	*server
	kind   crm.Kind
	path   string // below /api/v1: "/customers"
	schema entitySchema
	shown  map[string]any // the example in the document
}

func (e entities) create() operation {
	var parameters []*huma.Param
	if edit.Compared(e.kind) {
		parameters = append(parameters, acceptDuplicates())
	}
	return operation{
		id: "create-" + slug(string(e.kind)), needs: may(e.resource(), access.Create), tag: "entities", summary: "Create " + article(e.kind),
		description: "Fields that are readOnly may be sent and are ignored; unknown ones are refused.",
		parameters:  parameters,
		body:        e.createContent(),
		status:      http.StatusCreated, result: e.content(e.shown), versioned: true, located: true, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			refuse := match.Same
			if c.choiceIn(acceptParameter, []string{"accept"}, &faults) != "" {
				refuse = ""
			}
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			doc, err := c.object()
			if err != nil {
				return answer{}, err
			}
			entity, err := e.editor.Read(c.author(), e.kind, doc)
			if err != nil {
				return answer{}, err
			}
			return e.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				if err := e.editor.Create(ctx, tx, c.author(), entity, refuse); err != nil {
					return answer{}, err
				}
				a, err := e.answer(c, http.StatusCreated, entity)
				a.Location = prefix + e.path + "/" + crm.HeadOf(entity).ID.String()
				return a, err
			})
		},
	}
}

func (e entities) get() operation {
	return operation{
		id: "get-" + slug(string(e.kind)), needs: may(e.resource(), access.Read), tag: "entities", summary: "Get " + article(e.kind),
		parameters: e.selectParameters(),
		status:     http.StatusOK, result: e.selectionContent(e.shown), versioned: true, together: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			var faults parameterFaults
			asked := e.selection(c, &faults)
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			entity, err := e.reads.get(ctx, c.who.Principal, e.kind, id)
			if err != nil {
				return answer{}, err
			}
			if entity == nil || crm.HeadOf(entity).DeletedAt != nil {
				return answer{}, notFound()
			}
			items, err := e.selected(ctx, c, asked, []crm.Entity{entity})
			if err != nil {
				return answer{}, err
			}
			a, err := respond(http.StatusOK, items[0])
			a.ETag = etag(crm.HeadOf(entity).Version)
			return a, err
		},
	}
}

func (e entities) patch() operation {
	return operation{
		id: "update-" + slug(string(e.kind)), needs: may(e.resource(), access.Update, access.Assign), tag: "entities", summary: "Change " + article(e.kind),
		description: "A JSON merge patch (RFC 7396): what is absent stays, null clears, a list is replaced as a whole. " +
			"Fields that are readOnly may be sent and are ignored; unknown ones are refused.",
		parameters: []*huma.Param{ifMatch()},
		body:       e.patchContent(),
		status:     http.StatusOK, result: e.content(e.shown), versioned: true, keyed: true,
		problems: []int{http.StatusPreconditionFailed, http.StatusPreconditionRequired},
		serve: func(ctx context.Context, c *call) (answer, error) {
			patch, err := c.object()
			if err != nil {
				return answer{}, err
			}
			seen, err := c.version()
			if err != nil {
				return answer{}, err
			}
			return e.change(ctx, c, func(tx pgx.Tx, id uuid.UUID) (crm.Entity, error) {
				return e.editor.Change(ctx, tx, c.author(), e.kind, id, seen, patch)
			})
		},
	}
}

func (e entities) remove() operation {
	return operation{
		id: "delete-" + slug(string(e.kind)), needs: may(e.resource(), access.Delete), tag: "entities", summary: "Delete " + article(e.kind),
		description: "It disappears from lists and answers 404 from now on; other systems are told. It can be restored.",
		parameters:  []*huma.Param{ifMatch()},
		status:      http.StatusNoContent, keyed: true,
		problems: []int{http.StatusPreconditionFailed, http.StatusPreconditionRequired, http.StatusUnprocessableEntity},
		serve: func(ctx context.Context, c *call) (answer, error) {
			seen, err := c.version()
			if err != nil {
				return answer{}, err
			}
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			return e.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				return answer{Status: http.StatusNoContent}, e.editor.Delete(ctx, tx, c.author(), e.kind, id, seen)
			})
		},
	}
}

// change answers with what do made of the entity in the path.
func (e entities) change(ctx context.Context, c *call, do func(tx pgx.Tx, id uuid.UUID) (crm.Entity, error)) (answer, error) {
	id, err := c.id()
	if err != nil {
		return answer{}, err
	}
	return e.write(ctx, c, func(tx pgx.Tx) (answer, error) {
		entity, err := do(tx, id)
		if err != nil {
			return answer{}, err
		}
		return e.answer(c, http.StatusOK, entity)
	})
}

// present takes one entity out of what was found. One that was deleted counts as none.
func (e entities) present(found map[uuid.UUID]crm.Entity, id uuid.UUID) (crm.Entity, error) {
	entity, ok := found[id]
	if !ok || crm.HeadOf(entity).DeletedAt != nil {
		return nil, notFound()
	}
	return entity, nil
}

func (e entities) answer(c *call, status int, entity crm.Entity) (answer, error) {
	seen, err := c.seen(entity)
	if err != nil {
		return answer{}, err
	}
	a, err := respond(status, seen)
	a.ETag = etag(crm.HeadOf(entity).Version)
	return a, err
}

func ifMatch() *huma.Param {
	return &huma.Param{
		Name: "If-Match", In: "header", Required: true, Description: "The ETag of the version you have seen, or * for any.",
		Schema: &huma.Schema{Type: huma.TypeString, Pattern: `^("[1-9][0-9]{0,17}"|\*)$`}, Example: `"1"`,
	}
}

func stale(stored int64) *Problem {
	return &Problem{
		Type: problemType("stale"), Title: "It has changed since you read it", Status: http.StatusPreconditionFailed,
		Detail: "Read it again, apply your change to what you find, and send the new ETag.", Version: stored,
	}
}
