package api

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// The parameters that lists have in common.
const (
	textParameter  = "q"
	sortParameter  = "sort"
	limitParameter = "limit"
	afterParameter = "after"
)

const (
	defaultLimit = 50
	maxLimit     = 200
)

// list is the body of each answer that lists things.
type list[T any] struct {
	Items []T    `json:"items" nullable:"false" doc:"This page."`
	Next  string `json:"next,omitempty" format:"uri-reference" doc:"Where the next page is; absent on the last one."`
}

// page returns a list with the URL of the next page, which asks the same but for where to go on.
func page[T any](c *call, items []T, next string) list[T] {
	l := list[T]{Items: items}
	if items == nil {
		l.Items = []T{}
	}
	if next != "" {
		query := url.Values{}
		maps.Copy(query, c.query)
		query.Set(afterParameter, next)
		l.Next = c.request.URL.Path + "?" + query.Encode()
	}
	return l
}

// listed answers with the part of a list that read finds as the caller, unless the query has faults.
func listed[T any](ctx context.Context, s *server, c *call, faults parameterFaults, read func(tx pgx.Tx) (postgres.Page[T], error)) (answer, error) {
	if err := faults.err(); err != nil {
		return answer{}, err
	}
	found, err := postgres.Get(ctx, s.DB, c.who.Principal, func(tx pgx.Tx) (postgres.Page[T], error) { return read(tx) })
	if err != nil {
		return answer{}, err
	}
	return respond(http.StatusOK, page(c, found.Items, found.Next))
}

// listedAll is listed for a list that is read at once.
func listedAll[T any](ctx context.Context, s *server, c *call, faults parameterFaults, read func(tx pgx.Tx) ([]T, error)) (answer, error) {
	return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[T], error) {
		all, err := read(tx)
		return postgres.Page[T]{Items: all}, err
	})
}

func parseLimit(values url.Values, faults *parameterFaults) int {
	if !values.Has(limitParameter) {
		return defaultLimit
	}
	n, err := strconv.Atoi(values.Get(limitParameter))
	if err != nil || n < 1 || n > maxLimit {
		faults.add(limitParameter, "range", "must be a whole number from 1 to "+strconv.Itoa(maxLimit))
	}
	return n
}

func pageParameters() []*huma.Param {
	least, most := 1.0, float64(maxLimit)
	return []*huma.Param{
		queryParameter(limitParameter, "How many to return at most.", &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most, Default: defaultLimit}, 20),
		queryParameter(afterParameter, "Where to go on: part of the URL in next.", &huma.Schema{Type: huma.TypeString}, nil),
	}
}
