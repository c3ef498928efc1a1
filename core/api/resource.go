package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// What the resources of the hub (connections, jobs, runs, links, dead letters, tokens) have in common.

const exampleActor = "user:" + exampleID

// onID serves what is read by the id in the path.
func (s *server) onID(do func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (any, error)) func(context.Context, *call) (answer, error) {
	return func(ctx context.Context, c *call) (answer, error) {
		id, err := c.id()
		if err != nil {
			return answer{}, err
		}
		var found any
		err = s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
			found, err = do(ctx, tx, id)
			return err
		})
		if err != nil {
			return answer{}, err
		}
		return respond(http.StatusOK, found)
	}
}

// writeOnID serves what is changed by the id in the path alone.
func (s *server) writeOnID(do func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (any, error)) func(context.Context, *call) (answer, error) {
	return func(ctx context.Context, c *call) (answer, error) {
		id, err := c.id()
		if err != nil {
			return answer{}, err
		}
		return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
			changed, err := do(ctx, tx, id)
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, changed)
		})
	}
}

// showOnID serves what package access reads by the id in the path.
func showOnID[T, V any](read func(ctx context.Context, p postgres.Principal, id uuid.UUID) (T, error), show func(T) V) func(context.Context, *call) (answer, error) {
	return func(ctx context.Context, c *call) (answer, error) {
		id, err := c.id()
		if err != nil {
			return answer{}, err
		}
		found, err := read(ctx, c.who.Principal, id)
		if err != nil {
			return answer{}, err
		}
		return respond(http.StatusOK, show(found))
	}
}

func idParameter(name, description string) *huma.Param {
	return queryParameter(name, description, &huma.Schema{Type: huma.TypeString, Format: "uuid"}, exampleID)
}

func choiceParameter(name, description string, choices []string) *huma.Param {
	enum := make([]any, len(choices))
	for i, choice := range choices {
		enum[i] = choice
	}
	return queryParameter(name, description, &huma.Schema{Type: huma.TypeString, Enum: enum}, choices[0])
}

// idIn reads an id in the query; the nil UUID if it is not there.
func (c *call) idIn(name string, faults *parameterFaults) uuid.UUID {
	if !c.query.Has(name) {
		return uuid.Nil
	}
	id, err := uuid.Parse(c.query.Get(name))
	if err != nil {
		faults.add(name, "format", "must be a UUID")
	}
	return id
}

// choiceIn reads one of some words in the query; "" if it is not there.
func (c *call) choiceIn(name string, choices []string, faults *parameterFaults) string {
	given := c.query.Get(name)
	if c.query.Has(name) && !slices.Contains(choices, given) {
		faults.add(name, "enum", "must be one of "+strings.Join(choices, ", "))
	}
	return given
}
