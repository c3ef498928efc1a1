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
	if e.compared() {
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
			accepted := c.choiceIn(acceptParameter, []string{"accept"}, &faults) != ""
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			entity, err := e.decode(c)
			if err != nil {
				return answer{}, err
			}
			return e.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				if e.compared() && !accepted {
					if err := e.refuseDuplicate(ctx, tx, entity); err != nil {
						return answer{}, err
					}
				}
				return e.save(ctx, tx, c, http.StatusCreated, entity)
			})
		},
	}
}

func (e entities) get() operation {
	return operation{
		id: "get-" + slug(string(e.kind)), needs: may(e.resource(), access.Read), tag: "entities", summary: "Get " + article(e.kind),
		parameters: e.selectParameters(),
		status:     http.StatusOK, result: e.selectionContent(e.shown), versioned: true,
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
			var b pgx.Batch
			found := e.CRM.QueueGet(&b, e.kind, []uuid.UUID{id})
			if err := e.DB.Ask(ctx, c.who.Principal, &b); err != nil {
				return answer{}, err
			}
			entity, err := e.present(found, id)
			if err != nil {
				return answer{}, err
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
			patch = e.schema.writable(patch)
			return e.change(ctx, c, seen, func(tx pgx.Tx, stored crm.Entity) (answer, error) {
				entity, err := e.merge(stored, patch)
				if err != nil {
					return answer{}, err
				}
				if err := e.permitChange(c, patch, stored, entity); err != nil {
					return answer{}, err
				}
				return e.save(ctx, tx, c, http.StatusOK, entity)
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
			return e.change(ctx, c, seen, func(tx pgx.Tx, stored crm.Entity) (answer, error) {
				if err := e.permitOn(c, stored, access.Delete); err != nil {
					return answer{}, err
				}
				h := crm.HeadOf(stored)
				_, err := e.CRM.Delete(ctx, tx, c.by(), e.kind, h.ID, h.Version)
				return answer{Status: http.StatusNoContent}, err
			})
		},
	}
}

// change runs do on the stored entity, locked, if it still is what the caller has seen; 0 is any version.
func (e entities) change(ctx context.Context, c *call, seen int64, do func(tx pgx.Tx, stored crm.Entity) (answer, error)) (answer, error) {
	id, err := c.id()
	if err != nil {
		return answer{}, err
	}
	return e.write(ctx, c, func(tx pgx.Tx) (answer, error) {
		found, err := e.CRM.GetForUpdate(ctx, tx, e.kind, []uuid.UUID{id})
		if err != nil {
			return answer{}, err
		}
		if len(found) == 0 {
			seen, err := e.CRM.Get(ctx, tx, e.kind, []uuid.UUID{id})
			if err != nil {
				return answer{}, err
			}
			return answer{}, e.unchangeable(c, seen, id, c.route.needs.actions...)
		}
		stored, err := e.present(found, id)
		if err != nil {
			return answer{}, err
		}
		if now := crm.HeadOf(stored).Version; seen != 0 && seen != now {
			return answer{}, stale(now)
		}
		return do(tx, stored)
	})
}

// unchangeable says why an entity cannot be locked: the caller sees it but may do none of the actions with it, or it is not
// there for him.
func (e entities) unchangeable(c *call, seen map[uuid.UUID]crm.Entity, id uuid.UUID, actions ...access.Action) error {
	stored, err := e.present(seen, id)
	if err != nil {
		return err
	}
	if err := e.permitOn(c, stored, actions...); err != nil {
		return err
	}
	return notFound() // it came into reach this very moment: whoever asks again finds it
}

// present takes one entity out of what was found. One that was deleted counts as none.
func (e entities) present(found map[uuid.UUID]crm.Entity, id uuid.UUID) (crm.Entity, error) {
	entity, ok := found[id]
	if !ok || crm.HeadOf(entity).DeletedAt != nil {
		return nil, notFound()
	}
	return entity, nil
}

func (e entities) save(ctx context.Context, tx pgx.Tx, c *call, status int, entity crm.Entity) (answer, error) {
	if err := e.CRM.Save(ctx, tx, c.by(), []crm.Entity{entity}); err != nil {
		return answer{}, err
	}
	a, err := e.answer(c, status, entity)
	if status == http.StatusCreated {
		a.Location = prefix + e.path + "/" + crm.HeadOf(entity).ID.String()
	}
	return a, err
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

// decode reads a whole entity from a body, judged by its schema.
func (e entities) decode(c *call) (crm.Entity, error) {
	doc, err := c.object()
	if err != nil {
		return nil, err
	}
	return e.fresh(c, doc)
}

// fresh makes a new entity of a document, if the caller may create it.
func (e entities) fresh(c *call, doc map[string]any) (crm.Entity, error) {
	doc = e.schema.writable(doc)
	delete(doc, "version") // what is created is new, whatever it was copied from
	entity, err := e.judge(doc)
	if err != nil {
		return nil, err
	}
	return entity, e.permitNew(c, doc, entity)
}

// merge applies a patch of writable fields to a stored entity; the outcome is judged as a whole.
func (e entities) merge(stored crm.Entity, patch map[string]any) (crm.Entity, error) {
	doc, err := crm.Document(stored)
	if err != nil {
		return nil, err
	}
	merged, _ := mergePatch(doc, patch).(map[string]any)
	merged["id"], merged["version"] = doc["id"], doc["version"]
	entity, err := e.judge(merged)
	if err != nil {
		return nil, err
	}
	*crm.HeadOf(entity) = *crm.HeadOf(stored)
	return entity, nil
}

func (e entities) judge(doc map[string]any) (crm.Entity, error) {
	if err := e.schema.Validate(doc).Err(); err != nil {
		return nil, err
	}
	return crm.FromDocument(e.kind, doc)
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
