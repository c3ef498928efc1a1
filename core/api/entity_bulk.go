package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/duplicate"
	"crmhub/core/edit"
)

// maxBulk bounds the bytes of a bulk: a thousand entities of some size. How many they may be its schema says.
const maxBulk = 8 << 20

const atomicParameter = "atomic"

type bulkInput struct {
	Items []bulkItemInput `json:"items" nullable:"false" minItems:"1" maxItems:"1000" doc:"What to do, each with another entity."`
}

type bulkItemInput struct {
	Action  access.Action  `json:"action" enum:"create,update,delete"`
	ID      string         `json:"id,omitempty" format:"uuid" doc:"What to update or delete. One that is created may have an id in its entity."`
	Version *int64         `json:"version,omitempty" minimum:"0" doc:"Of what to update or delete, the version you have seen; 0 is any."`
	Entity  map[string]any `json:"entity,omitempty" nullable:"false" doc:"To create, what POST takes; to update, what PATCH takes."`
}

type bulkResults struct {
	Results []bulkResult `json:"results" nullable:"false" doc:"What became of each item, in their order."`
	Written int          `json:"written" doc:"How many were created, updated or deleted."`
	Refused int          `json:"refused" doc:"How many were not."`
}

type bulkResult struct {
	Status  int        `json:"status" doc:"What the operation on it alone would have answered." example:"200"`
	ID      *uuid.UUID `json:"id,omitempty" doc:"Absent of what could not be created."`
	Version int64      `json:"version,omitempty" doc:"The one it has now." example:"8"`
	Problem *Problem   `json:"problem,omitempty" doc:"Why it was refused. Its pointers lead into the body that was sent."`
}

func (e entities) bulk() operation {
	parameters := []*huma.Param{queryParameter(atomicParameter, "true: all items or none. Then one that is refused is a 422, which names all that are.",
		&huma.Schema{Type: huma.TypeBoolean, Default: false}, true)}
	if edit.Compared(e.kind) {
		parameters = append(parameters, acceptDuplicates())
	}
	return operation{
		id: "bulk-" + slug(e.kind.Plural()), needs: may(e.resource(), access.Create, access.Update, access.Assign, access.Delete), tag: "entities",
		summary: "Create, update and delete many " + plural(e.kind),
		description: "Up to 1,000 at once, in one transaction. Each item is what the operation on one entity is, with the same checks and permissions, and has its own result: " +
			"one that is refused stops no other. What is to be deleted goes first, the rest follows in its order; an item may refer to one before it.",
		parameters: parameters,
		body:       jsonBody(e.document, e.bulkExample()), most: maxBulk,
		status: http.StatusOK, result: jsonBody(e.document, bulkResultsExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			atomic := c.choiceIn(atomicParameter, []string{"true", "false"}, &faults) == "true"
			accepted := c.choiceIn(acceptParameter, []string{"accept"}, &faults) != ""
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			in, err := decode[bulkInput](c)
			if err != nil {
				return answer{}, err
			}
			return e.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				items := bulkItems(in.Items)
				if err := e.apply(ctx, tx, c, items, accepted); err != nil {
					return answer{}, err
				}
				if err := faultsOf(items).Err(); atomic && err != nil {
					return answer{}, err
				}
				return respond(http.StatusOK, resultsOf(items))
			})
		},
	}
}

// apply does what the items say, and gives each its outcome.
func (e entities) apply(ctx context.Context, tx pgx.Tx, c *call, items []*bulkItem, accepted bool) error {
	stored, seen, err := e.readItems(ctx, tx, items)
	if err != nil {
		return err
	}
	for _, it := range open(items) {
		if err := it.refuse(e.prepare(c, it, stored, seen)); err != nil {
			return err
		}
	}
	if edit.Compared(e.kind) && !accepted {
		if err := e.refuseDuplicates(ctx, tx, open(items)); err != nil {
			return err
		}
	}
	var gone, kept []*bulkItem
	for _, it := range open(items) {
		if it.action == access.Delete {
			gone = append(gone, it)
		} else {
			kept = append(kept, it)
		}
	}
	err = halving(ctx, tx, gone, func(tx pgx.Tx, some []*bulkItem) error {
		which := make([]crm.VersionRef, len(some))
		for i, it := range some {
			h := crm.HeadOf(it.entity)
			which[i] = crm.VersionRef{ID: h.ID, Version: h.Version}
		}
		deleted, err := e.CRM.DeleteAll(ctx, tx, c.by(), e.kind, which)
		for i := range deleted {
			some[i].entity = deleted[i]
		}
		return err
	})
	if err != nil {
		return err
	}
	return halving(ctx, tx, kept, func(tx pgx.Tx, some []*bulkItem) error {
		batch := make([]crm.Entity, len(some))
		for i, it := range some {
			batch[i] = it.entity
		}
		return e.CRM.Save(ctx, tx, c.by(), batch)
	})
}

// readItems locks what the items are about. Of what cannot be locked it reads what the caller sees.
func (e entities) readItems(ctx context.Context, tx pgx.Tx, items []*bulkItem) (stored, seen map[uuid.UUID]crm.Entity, err error) {
	var ids, rest []uuid.UUID
	for _, it := range open(items) {
		if it.action != access.Create {
			ids = append(ids, it.id)
		}
	}
	if stored, err = e.CRM.GetForUpdate(ctx, tx, e.kind, ids); err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		if stored[id] == nil {
			rest = append(rest, id)
		}
	}
	seen, err = e.CRM.Get(ctx, tx, e.kind, rest)
	return stored, seen, err
}

// prepare makes the entity that is to be saved, or finds the one to be deleted: the checks of [entities.create],
// [entities.patch] and [entities.remove].
func (e entities) prepare(c *call, it *bulkItem, stored, seen map[uuid.UUID]crm.Entity) (err error) {
	actions := []access.Action{it.action}
	if it.action == access.Update {
		actions = append(actions, access.Assign)
	}
	if err := may(e.resource(), actions...).check(c.who); err != nil {
		return err
	}
	if it.action == access.Create {
		it.entity, err = e.editor.Read(c.author(), e.kind, it.given)
		return err
	}
	old := stored[it.id]
	if old == nil {
		return edit.Unchangeable(c.author(), seen[it.id], actions...)
	}
	if it.action == access.Delete {
		it.entity = old
		return edit.Deletable(c.author(), old, it.seen)
	}
	it.entity, err = e.editor.Revise(c.author(), old, it.seen, it.given)
	return err
}

// refuseDuplicates refuses what is to be created and is there already, or in an item before.
func (e entities) refuseDuplicates(ctx context.Context, tx pgx.Tx, items []*bulkItem) error {
	var created []*bulkItem
	var entities []crm.Entity
	for _, it := range items {
		if it.action == access.Create {
			it.entity.Normalize()
			created, entities = append(created, it), append(entities, it.entity)
		}
	}
	found, err := duplicate.CheckSure(ctx, tx, e.CRM, entities...)
	if err != nil {
		return err
	}
	repeated := duplicate.Repeats(entities)
	for i, it := range created {
		var err error
		switch at := repeated[i]; {
		case len(found[i]) > 0:
			err = &edit.DuplicateError{Matches: found[i]}
		case at >= 0:
			err = &Problem{
				Type: problemType("duplicate"), Title: "It is there already", Status: http.StatusConflict,
				Detail: "It is what item " + strconv.Itoa(created[at].at) + " is. Leave it out, or send it again with ?duplicates=accept.",
			}
		}
		if err := it.refuse(err); err != nil {
			return err
		}
	}
	return nil
}

func (e entities) bulkExample() bulkInput {
	created := e.schema.Writable(e.shown)
	delete(created, "id")
	delete(created, "version")
	seen := int64(7)
	return bulkInput{Items: []bulkItemInput{
		{Action: access.Create, Entity: created},
		{Action: access.Update, ID: exampleID, Version: &seen, Entity: map[string]any{"ext": map[string]any{"priority": "high"}}},
		{Action: access.Delete, ID: "0199a1b2-0000-7000-8000-000000000002", Version: &seen},
	}}
}

func bulkResultsExample() bulkResults {
	id, other := uuid.MustParse(exampleID), uuid.MustParse("0199a1b2-0000-7000-8000-000000000002")
	return bulkResults{Written: 2, Refused: 1, Results: []bulkResult{
		{Status: http.StatusCreated, ID: &id, Version: 1},
		{Status: http.StatusPreconditionFailed, ID: &id, Problem: stale(9)},
		{Status: http.StatusNoContent, ID: &other, Version: 8},
	}}
}
