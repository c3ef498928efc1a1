package api

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
)

func (e entities) search() operation {
	return operation{
		id: "list-" + slug(e.kind.Plural()), needs: may(e.resource(), access.Read), tag: "entities", summary: "List " + plural(e.kind),
		description: "Newest change first if sort is not given. A filter is a field's name, with an operator in brackets if it is not equality: " +
			"total[ge]=100, number[contains]=42, status[in]=draft,confirmed, owner_id[null]=true, tags[has]=vip. " +
			"There are eq, ne, lt, le, gt, ge, in, contains, null, and has for lists of texts; all filters must hold. " +
			"Custom fields are filtered by ext and their name, as texts: ext.region=north. " +
			"deleted_at[null]=false lists the recycle bin.",
		parameters: e.queryParameters(), filtered: true,
		status: http.StatusOK, result: e.listContent(),
		serve: func(ctx context.Context, c *call) (answer, error) {
			q, faults := parseEntityQuery(c.query)
			asked, team := e.selection(c, &faults), c.idIn(teamParameter, &faults)
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			q.Owners, q.Blind = c.who.Owners(e.resource(), access.Read), c.who.Blind(e.resource())
			var found postgres.Page[crm.Entity]
			err := e.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
				if err := q.ownedBy(ctx, tx, c, team); err != nil {
					return err
				}
				found, err = e.CRM.List(ctx, tx, e.kind, q.Query)
				return q.refused(err)
			})
			if err != nil {
				return answer{}, err
			}
			items, err := e.selected(ctx, c, asked, found.Items)
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, page(c, items, found.Next))
		},
	}
}

// queryParameters are a parameter for each field that can be filtered by, and those that all lists have.
func (e entities) queryParameters() []*huma.Param {
	fields := e.schema.filterable()
	parameters := []*huma.Param{
		queryParameter(textParameter, "Words that begin so, Chinese text or a phone number in the fields that GET /search looks at; all must be there.", &huma.Schema{Type: huma.TypeString}, nil),
		queryParameter(sortParameter, "Fields to sort by, separated by commas; a minus before one sorts downwards.", &huma.Schema{Type: huma.TypeString}, "-updated_at,id"),
	}
	parameters = append(parameters, pageParameters()...)
	parameters = append(parameters, e.selectParameters()...)
	if crm.Owned(e.kind) {
		parameters = append(parameters, idParameter(teamParameter, "Those of the members of this team."))
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		description, _ := fields[name]["description"].(string)
		parameters = append(parameters, queryParameter(name, description, filterSchema(fields[name]), nil))
	}
	return parameters
}

// filterSchema is what a field is compared with: less strict than the field, since one may ask for what cannot be stored.
func filterSchema(field map[string]any) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	switch field["type"] {
	case huma.TypeBoolean, huma.TypeInteger:
		s.Type, _ = field["type"].(string)
	}
	switch format := field["format"]; format {
	case "uuid", "date", "date-time":
		s.Format, _ = format.(string)
	case "decimal":
		s.Pattern = crm.DecimalForm
	}
	s.Enum, _ = field["enum"].([]any)
	return s
}

func (e entities) listContent() *content {
	return &content{
		mediaType: jsonType,
		schema: &huma.Schema{Type: huma.TypeObject, Required: []string{"items"}, Properties: map[string]*huma.Schema{
			"items": {Type: huma.TypeArray, Items: reference(selectionName(e.kind))},
			"next":  {Type: huma.TypeString, Format: "uri-reference", Description: "Where the next page is; absent on the last one."},
		}},
		example: map[string]any{"items": []any{e.shown}, "next": prefix + e.path + "?after=eyJ2Ijp7fX0&limit=20"},
	}
}
