package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"crmhub/core/schema"
	"crmhub/core/sheet"
)

// encode is a record as the file that is written of it. What the file cannot hold is [schema.Violations].
func (s *settings) encode(l *layout, data map[string]any) ([]byte, error) {
	var b bytes.Buffer
	if l.format == "jsonl" {
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(data); err != nil {
			return nil, fmt.Errorf("write a record: %w", err)
		}
		return b.Bytes(), nil
	}
	rows, faults := s.rows(l, data)
	if len(faults) > 0 {
		return nil, faults
	}
	err := s.table(&b, l, rows)
	if errors.Is(err, sheet.ErrUnwritable) {
		return nil, schema.Violations{{Rule: "encoding", Message: "has characters that " + s.Encoding + " lacks"}}
	}
	if err != nil {
		return nil, fmt.Errorf("write a table: %w", err)
	}
	return b.Bytes(), nil
}

func (s *settings) table(b *bytes.Buffer, l *layout, rows [][]string) error {
	types := map[kind]sheet.Type{text: sheet.Text, decimal: sheet.Number, date: sheet.Text}
	if l.format == string(sheet.XLSX) {
		types[date] = sheet.Date
	}
	var columns []sheet.Column
	for _, f := range slices.Concat(l.fields, l.told, l.element) {
		columns = append(columns, sheet.Column{Name: f.title, Type: types[f.kind]})
	}
	begin := func() (sheet.Writer, error) { return sheet.NewCSVWriter(b, s.Encoding, s.Delimiter, columns) }
	if l.format == string(sheet.XLSX) {
		begin = func() (sheet.Writer, error) { return sheet.NewWriter(b, sheet.XLSX, columns) }
	}
	w, err := begin()
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := w.Write(r); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	return w.Close()
}

// rows are a record's: one for each element of its list, with the record's own fields in each; one if there is none.
func (s *settings) rows(l *layout, data map[string]any) (rows [][]string, faults schema.Violations) {
	list, _ := data[l.list].([]any)
	own, faults := s.cells(l, slices.Concat(l.fields, l.told), data, "")
	if len(list) == 0 {
		return [][]string{append(own, make([]string, len(l.element))...)}, faults
	}
	for i, e := range list {
		pointer := fmt.Sprintf("/%s/%d", l.list, i)
		element, ok := e.(map[string]any)
		if !ok {
			faults = append(faults, schema.Violation{Pointer: pointer, Rule: "type", Message: "must be an object"})
			continue
		}
		part, wrong := s.cells(l, l.element, element, pointer)
		rows, faults = append(rows, slices.Concat(own, part)), append(faults, wrong...)
	}
	return rows, faults
}

// cells are the values of an object in the order of columns. None is left out for want of a column.
func (s *settings) cells(l *layout, columns []field, object map[string]any, pointer string) (cells []string, faults schema.Violations) {
	cells = make([]string, len(columns))
	for name, v := range object {
		i := slices.IndexFunc(columns, func(f field) bool { return f.name == name })
		switch v := v.(type) {
		case nil:
		case string:
			if i >= 0 {
				cells[i] = s.cell(l, columns[i].kind, v)
			}
		case []any:
			if pointer == "" && name == l.list || len(v) == 0 {
				continue
			}
			i = -1
		default:
			faults = append(faults, schema.Violation{Pointer: pointer + "/" + name, Rule: "type", Message: "must be a text to be a cell"})
		}
		if i < 0 && v != nil {
			faults = append(faults, schema.Violation{Pointer: pointer + "/" + name, Rule: "column", Message: "has no column in a table; write jsonl"})
		}
	}
	return cells, faults
}

// cell writes a value as the connection's tables have it; a workbook's cells have types.
func (s *settings) cell(l *layout, k kind, v string) string {
	if l.format == string(sheet.XLSX) {
		return v
	}
	switch k {
	case decimal:
		if s.Decimal == "," && numberForm.MatchString(v) {
			return strings.Replace(v, ".", ",", 1)
		}
	case date:
		if d, err := time.Parse(time.DateOnly, v); err == nil && s.DateLayout != "" {
			return d.Format(s.DateLayout)
		}
	case text:
	}
	return v
}
