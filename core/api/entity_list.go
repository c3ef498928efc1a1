package api

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/schema"
)

func (e entities) search() operation {
	return operation{
		id: "list-" + plural(e.kind), tag: "entities", summary: "List " + plural(e.kind),
		description: "Newest change first if sort is not given. A filter is a field's name, with an operator in brackets if it is not equality: " +
			"total[ge]=100, number[contains]=42, status[in]=draft,confirmed, owner_id[null]=true. " +
			"There are eq, ne, lt, le, gt, ge, in, contains and null; all filters must hold.",
		parameters: e.queryParameters(), filtered: true,
		status: http.StatusOK, result: e.listContent(),
		serve: func(ctx context.Context, c *call) (answer, error) {
			q, err := parseEntityQuery(c.query)
			if err != nil {
				return answer{}, err
			}
			var found crm.Page
			err = e.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
				found, err = e.CRM.List(ctx, tx, e.kind, q.Query)
				return err
			})
			if wrong := schema.Violations(nil); errors.As(err, &wrong) {
				return answer{}, q.faults(wrong)
			}
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, page(c, found.Items, found.Next))
		},
	}
}

// queryParameters are a parameter for each field with one value, and those that all lists have.
func (e entities) queryParameters() []*huma.Param {
	fields := e.schema.scalars()
	parameters := []*huma.Param{
		queryParameter(textParameter, "Words that begin so, Chinese text or a phone number in the fields that GET /search looks at; all must be there.", &huma.Schema{Type: huma.TypeString}, nil),
		queryParameter(sortParameter, "Fields to sort by, separated by commas; a minus before one sorts downwards.", &huma.Schema{Type: huma.TypeString}, "-updated_at,id"),
	}
	parameters = append(parameters, pageParameters()...)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		description, _ := fields[name]["description"].(string)
		parameters = append(parameters, queryParameter(name, description, &huma.Schema{Type: huma.TypeString}, nil))
	}
	return parameters
}

func (e entities) listContent() *content {
	return &content{
		mediaType: jsonType,
		schema: &huma.Schema{Type: huma.TypeObject, Required: []string{"items"}, Properties: map[string]*huma.Schema{
			"items": {Type: huma.TypeArray, Items: reference(componentName(e.kind))},
			"next":  {Type: huma.TypeString, Format: "uri-reference", Description: "Where the next page is; absent on the last one."},
		}},
		example: map[string]any{"items": []any{e.shown}, "next": prefix + e.path + "?after=eyJ2Ijp7fX0&limit=20"},
	}
}
