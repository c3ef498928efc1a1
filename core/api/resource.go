package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// What the resources of the hub (connections, jobs, runs, links, dead letters, tokens) have in common.

const exampleActor = "user:" + exampleID

// serving is how an operation answers a call.
type serving func(ctx context.Context, c *call) (answer, error)

// read serves what there is one of.
func read[T any](s *server, do func(ctx context.Context, tx pgx.Tx) (T, error)) serving {
	return func(ctx context.Context, c *call) (answer, error) {
		return ok(postgres.Get(ctx, s.DB, c.who.Principal, func(tx pgx.Tx) (T, error) { return do(ctx, tx) }))
	}
}

// readAll serves a list that is read at once.
func readAll[T any](s *server, do func(ctx context.Context, tx pgx.Tx) ([]T, error)) serving {
	return func(ctx context.Context, c *call) (answer, error) {
		return listedAll(ctx, s, c, nil, func(tx pgx.Tx) ([]T, error) { return do(ctx, tx) })
	}
}

// onID serves what is read by the id in the path.
func onID[T any](s *server, do func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (T, error)) serving {
	return func(ctx context.Context, c *call) (answer, error) {
		id, err := c.id()
		if err != nil {
			return answer{}, err
		}
		return read(s, func(ctx context.Context, tx pgx.Tx) (T, error) { return do(ctx, tx, id) })(ctx, c)
	}
}

// writeOnID serves what is changed by the id in the path alone.
func writeOnID[T any](s *server, do func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (T, error)) serving {
	return func(ctx context.Context, c *call) (answer, error) {
		id, err := c.id()
		if err != nil {
			return answer{}, err
		}
		return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
			return ok(do(ctx, tx, id))
		})
	}
}

// deleteOnID serves what takes away the thing with the id in the path.
func (s *server) deleteOnID(do func(ctx context.Context, tx pgx.Tx, id uuid.UUID) error) serving {
	return func(ctx context.Context, c *call) (answer, error) {
		id, err := c.id()
		if err != nil {
			return answer{}, err
		}
		return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
			return answer{Status: http.StatusNoContent}, do(ctx, tx, id)
		})
	}
}

// What package access does opens its own transactions. The next three serve that.

// showAll serves a list that is read at once.
func showAll[T, V any](read func(ctx context.Context, p postgres.Principal) ([]T, error), show func(T) V) serving {
	return func(ctx context.Context, c *call) (answer, error) {
		all, err := read(ctx, c.who.Principal)
		if err != nil {
			return answer{}, err
		}
		shown := make([]V, len(all))
		for i, one := range all {
			shown[i] = show(one)
		}
		return respond(http.StatusOK, page(c, shown, ""))
	}
}

// showOnID serves what is read by the id in the path.
func showOnID[T, V any](read func(ctx context.Context, p postgres.Principal, id uuid.UUID) (T, error), show func(T) V) serving {
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

// actOnID serves what is done to the thing with the id in the path, and leaves nothing to be told.
func actOnID(do func(ctx context.Context, p postgres.Principal, id uuid.UUID) error) serving {
	return func(ctx context.Context, c *call) (answer, error) {
		id, err := c.id()
		if err != nil {
			return answer{}, err
		}
		return answer{Status: http.StatusNoContent}, do(ctx, c.who.Principal, id)
	}
}

// patchOnID reads a merge patch of the thing with the id in the path: as it was sent, which tells what it says anything of,
// and as a T.
func patchOnID[T any](c *call) (id uuid.UUID, patch map[string]any, in T, err error) {
	if id, err = c.id(); err != nil {
		return id, nil, in, err
	}
	if patch, err = c.object(); err != nil {
		return id, nil, in, err
	}
	in, err = as[T](patch)
	return id, patch, in, err
}

// created answers with what was made and where it is.
func created(path string, id uuid.UUID, v any) (answer, error) {
	return located(http.StatusCreated, path, id, v)
}

// accepted answers with what was begun and where it is.
func accepted(path string, id uuid.UUID, v any) (answer, error) {
	return located(http.StatusAccepted, path, id, v)
}

func located(status int, path string, id uuid.UUID, v any) (answer, error) {
	a, err := respond(status, v)
	a.Location = prefix + path + "/" + id.String()
	return a, err
}

// parseID reads an id in a body.
func parseID(pointer, given string) (uuid.UUID, error) {
	id, err := uuid.Parse(given)
	if err != nil {
		return id, schema.Violations{{Pointer: pointer, Rule: "format", Message: "must be a UUID"}}
	}
	return id, nil
}

// parseOptionalID reads an id in a body that may be left out.
func parseOptionalID(pointer, given string) (*uuid.UUID, error) {
	if given == "" {
		return nil, nil //nolint:nilnil // what is left out is no fault
	}
	id, err := parseID(pointer, given)
	return &id, err
}

// parseIDs reads the ids of a list in a body.
func parseIDs(pointer string, given []string) ([]uuid.UUID, error) {
	ids := make([]uuid.UUID, len(given))
	var faults schema.Violations
	for i, text := range given {
		var err error
		if ids[i], err = uuid.Parse(text); err != nil {
			faults = append(faults, schema.Violation{Pointer: pointer + "/" + strconv.Itoa(i), Rule: "format", Message: "must be a UUID"})
		}
	}
	return ids, faults.Err()
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
