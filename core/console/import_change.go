package console

import (
	"slices"
	"strconv"

	"crmhub/core/sheet"
	"crmhub/core/transfer"
)

// importChange reads the form. A file that is read anew, because its encoding is another, gets its columns sensed anew:
// those in the form are of the file as it was read before.
func (v *visit) importChange(i transfer.Import) transfer.Change {
	q := v.r.Form
	header := q.Has("header")
	mark := q.Get("decimal_mark")
	change := transfer.Change{Header: &header, Decimal: &mark}
	again := header != i.Form.Header
	if i.Form.Format == sheet.CSV {
		encoding, delimiter := q.Get("encoding"), q.Get("delimiter")
		change.Encoding, change.Delimiter = &encoding, &delimiter
		again = again || encoding != i.Form.Encoding || delimiter != i.Form.Delimiter
	}
	mode := transfer.Mode(q.Get("mode"))
	change.Mode = &mode
	defaults := map[string]string{}
	for n := 0; q.Has("default_field." + strconv.Itoa(n)); n++ {
		if field := q.Get("default_field." + strconv.Itoa(n)); field != "" {
			defaults[field] = q.Get("default_value." + strconv.Itoa(n))
		}
	}
	change.Defaults = &defaults
	if again {
		return change
	}
	fields := make([]string, len(i.Columns))
	for n := range fields {
		fields[n] = q.Get("field." + strconv.Itoa(n))
	}
	change.Fields = &fields
	columns := make([]string, len(i.Columns))
	for n, c := range i.Columns {
		columns[n] = c.Field
	}
	// Where only the columns are others, what follows from them follows anew.
	matches, group := append([]string{}, q["match_by"]...), q.Get("group_by")
	if !slices.Equal(columns, fields) && slices.Equal(matches, i.MatchBy) && group == i.GroupBy {
		return change
	}
	change.MatchBy, change.GroupBy = &matches, &group
	return change
}

// withChange is an import as the form that was refused says it.
func withChange(i transfer.Import, change transfer.Change) transfer.Import {
	if change.Fields != nil {
		i.Columns = slices.Clone(i.Columns)
		for n := range i.Columns {
			i.Columns[n].Field = (*change.Fields)[n]
		}
	}
	if change.MatchBy != nil {
		i.MatchBy, i.GroupBy = *change.MatchBy, *change.GroupBy
	}
	i.Mode, i.Defaults = *change.Mode, *change.Defaults
	return i
}
