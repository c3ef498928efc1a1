package rest

import "strings"

// columns name the values of rows that are lists. A name with dots leads into objects.
type columns struct {
	names  []string
	gather string // rows of one record follow each other: what is beneath this name makes a list, an element a row
}

// records makes an object of each row, or one of all rows where they are gathered. Without names rows are what they are.
func (c columns) records(rows []any) ([]any, error) {
	if c.names == nil {
		return rows, nil
	}
	list := make([]any, len(rows))
	for i, row := range rows {
		values, ok := row.([]any)
		if !ok || len(values) != len(c.names) {
			return nil, wrongShape("a row is a %s of %d values, not a list of %d", kindOf(row), len(values), len(c.names))
		}
		object := map[string]any{}
		for k, name := range c.names {
			put(object, strings.Split(name, "."), values[k])
		}
		list[i] = object
	}
	if c.gather == "" || len(list) == 0 {
		return list, nil
	}
	whole, _ := list[0].(map[string]any)
	elements := make([]any, 0, len(list))
	for _, row := range list {
		object, _ := row.(map[string]any)
		if element, ok := object[c.gather]; ok {
			elements = append(elements, element)
		}
	}
	whole[c.gather] = elements
	return []any{whole}, nil
}

// put puts a value where a path leads, making the objects on the way.
func put(object map[string]any, path []string, value any) {
	for _, key := range path[:len(path)-1] {
		inner, ok := object[key].(map[string]any)
		if !ok {
			inner = map[string]any{}
			object[key] = inner
		}
		object = inner
	}
	object[path[len(path)-1]] = value
}
