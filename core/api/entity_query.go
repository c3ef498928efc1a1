package api

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"crmhub/core/crm"
	"crmhub/core/schema"
)

// entityQuery is what a list is asked for: ?status=confirmed&total[ge]=100&q=text&sort=-updated_at,number&limit=50&after=…
type entityQuery struct {
	crm.Query
	filters []string // the parameter that each of Filter came from
}

// parseEntityQuery reads a list's parameters. A field's name is a filter, with an operator in brackets if it is not
// equality. Whether there is such a field and the value fits it is for the store to say; see faults.
func parseEntityQuery(values url.Values) (entityQuery, parameterFaults) {
	var q entityQuery
	var faults parameterFaults
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values.Get(name)
		switch name {
		case textParameter:
			q.Text = value
		case afterParameter:
			q.After = value
		case limitParameter, fieldsParameter, expandParameter, teamParameter:
		case sortParameter:
			for field := range strings.SplitSeq(value, ",") {
				field, desc := strings.CutPrefix(field, "-")
				q.Sort = append(q.Sort, crm.Sort{Field: field, Desc: desc})
			}
		default:
			c, ok := crm.ParseCondition(name, value)
			if !ok {
				faults.add(name, "syntax", "must be a field, or a field and an operator like total[ge]")
				continue
			}
			q.Filter, q.filters = append(q.Filter, c), append(q.filters, name)
		}
	}
	q.Limit = parseLimit(values, &faults)
	return q, faults
}

// refused is why the store gave no list: what is wrong with the query, or what went wrong.
func (q entityQuery) refused(err error) error {
	if vs, ok := errors.AsType[schema.Violations](err); ok {
		return q.faults(vs)
	}
	return err
}

// faults says of what the store found wrong with the query which parameter it came from.
func (q entityQuery) faults(vs schema.Violations) parameterFaults {
	var faults parameterFaults
	for _, v := range vs {
		step := strings.Split(v.Pointer+"//", "/")
		switch at, err := strconv.Atoi(step[2]); {
		case step[1] == "filter" && err == nil && at < len(q.filters):
			faults.add(q.filters[at], v.Rule, v.Message)
		case step[1] == "sort":
			faults.add(sortParameter, v.Rule, v.Message)
		case step[1] == "text":
			faults.add(textParameter, v.Rule, v.Message)
		case step[1] == "after":
			faults.add(afterParameter, v.Rule, v.Message)
		default:
			faults.add("", v.Rule, v.Message)
		}
	}
	return faults
}
