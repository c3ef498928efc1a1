package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/edit"
)

type movement struct {
	Status string `json:"status" doc:"Where it moves. What may follow what is said at the entity's status field."`
}

type stageMovement struct {
	Stage      string `json:"stage" doc:"The code of the stage it moves to."`
	LostReason string `json:"lost_reason,omitempty" maxLength:"300" doc:"Why it was lost; needed for a stage that says so."`
	LostNotes  string `json:"lost_notes,omitempty" maxLength:"10000" doc:"More about it."`
}

// moves reports whether the kind's status moves by a table.
func (e entities) moves() bool { return crm.Transitions(e.kind) != nil }

// move changes a status alone, so that the caller need not have read the rest: without If-Match the transition itself
// is what guards against a change meanwhile.
func (e entities) move() operation {
	return e.moving(operation{
		id: "move-" + slug(string(e.kind)), needs: may(e.resource(), edit.MoveActions(e.kind)...), tag: "entities", summary: "Move " + article(e.kind) + " to another status",
		description: "A status that may not follow the present one is refused with 422, which lists those that may.",
		body:        jsonBody(e.document, movement{Status: e.exampleStatus()}),
	}, func(c *call) (map[string]any, error) {
		in, err := decode[movement](c)
		return map[string]any{"status": in.Status}, err
	})
}

// exampleStatus is where the entity shown may move to.
func (e entities) exampleStatus() string {
	at, _ := e.shown["status"].(string)
	next := slices.Clone(crm.Transitions(e.kind)[at])
	if len(next) == 0 {
		return at
	}
	return next[0]
}

// moveStage moves an opportunity.
func (e entities) moveStage() operation {
	return e.moving(operation{
		id: "move-opportunity", needs: may(e.resource(), edit.MoveActions(e.kind)...), tag: "entities", summary: "Move an opportunity to another stage",
		description: "Its status, probability and forecast follow. A stage that may not follow the present one is refused with 422, which lists those that may.",
		body:        jsonBody(e.document, stageMovement{Stage: "lost", LostReason: "price"}),
	}, func(c *call) (map[string]any, error) {
		in, err := decode[stageMovement](c)
		patch := map[string]any{"stage": in.Stage}
		if in.LostReason != "" {
			patch["lost_reason"] = in.LostReason
		}
		if in.LostNotes != "" {
			patch["lost_notes"] = in.LostNotes
		}
		return patch, err
	})
}

// moving completes an operation that applies a small patch, whatever the version.
func (e entities) moving(o operation, read func(c *call) (map[string]any, error)) operation {
	match := ifMatch()
	match.Required = false
	match.Description = "The ETag of the version you have seen; without it any version moves, if it may."
	o.parameters = []*huma.Param{match}
	o.status, o.result, o.versioned, o.keyed = http.StatusOK, e.content(e.shown), true, true
	o.problems = []int{http.StatusPreconditionFailed}
	o.serve = func(ctx context.Context, c *call) (answer, error) {
		patch, err := read(c)
		if err != nil {
			return answer{}, err
		}
		var seen int64
		if c.request.Header.Get("If-Match") != "" {
			if seen, err = c.version(); err != nil {
				return answer{}, err
			}
		}
		return e.change(ctx, c, func(tx pgx.Tx, id uuid.UUID) (crm.Entity, error) {
			return e.editor.Move(ctx, tx, c.author(), e.kind, id, seen, patch)
		})
	}
	return o
}
