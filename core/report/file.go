package report

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/jackc/pgx/v5"

	"crmhub/core/schema"
	"crmhub/core/sheet"
)

// MostInFile is how many rows a file has at most.
const MostInFile = 10_000

// Whole is Run for a file: where no limit is given there are all rows, and a report with more than [MostInFile] is refused, as
// part of one would be taken for all of it.
func (s *Store) Whole(ctx context.Context, tx pgx.Tx, r Report, given Parameters) (Result, error) {
	return s.whole(ctx, tx, r, given, MostInFile)
}

func (s *Store) whole(ctx context.Context, tx pgx.Tx, r Report, given Parameters, most int) (Result, error) {
	a, err := s.prepare(ctx, tx, r, given)
	if err != nil {
		return Result{}, err
	}
	_, limited := a.named["limit"]
	limited = limited && given["limit"] == ""
	if limited {
		a.named["limit"], a.shown["limit"] = most, strconv.Itoa(most)
	}
	result, err := s.answer(ctx, tx, r, a, facts.numbers)
	if err == nil && limited && result.Truncated {
		return Result{}, schema.Violations{{
			Pointer: "/limit", Rule: "range", Message: "there are more than " + strconv.Itoa(most) + " rows: say how many of them, or narrow the report",
		}}
	}
	return result, err
}

// Write writes the rows of a result as a table, without the totals: whoever adds up the file would count them twice. A heading
// names a column, "" leaves it out. What is no number is written by text; nil is [Row.Text].
func (r Result) Write(to io.Writer, format sheet.Format, heading func(Column) string, text func(Column, Row) string) error {
	if text == nil {
		text = func(c Column, row Row) string { return row.Text(c) }
	}
	var shown []Column
	var columns []sheet.Column
	for _, c := range r.Columns {
		if name := heading(c); name != "" {
			shown, columns = append(shown, c), append(columns, sheet.Column{Name: name, Type: c.cells()})
		}
	}
	out, err := sheet.NewWriter(to, format, columns)
	if err != nil {
		return fmt.Errorf("write report %s: %w", r.Report, err)
	}
	cells := make([]string, len(shown))
	for _, row := range r.Rows {
		for i, c := range shown {
			if columns[i].Type == sheet.Text {
				cells[i] = text(c, row)
			} else {
				cells[i] = row.Text(c)
			}
		}
		if err := out.Write(cells); err != nil {
			return fmt.Errorf("write report %s: %w", r.Report, err)
		}
	}
	return out.Close()
}

// cells are what a spreadsheet holds of a column. A month is no day, and stays a text.
func (c Column) cells() sheet.Type {
	switch c.Type {
	case TypeInteger, TypeDecimal, TypePercent, TypeAmount:
		return sheet.Number
	case TypeDate:
		return sheet.Date
	case TypeText, TypeID, TypeMonth, TypeReasons:
	}
	return sheet.Text
}

// Text is the value of a column as JSON has it, without quotation marks; "" for none.
func (row Row) Text(c Column) string {
	switch value := row[c.Name].(type) {
	case string:
		return value
	case int64:
		return strconv.FormatInt(value, 10)
	case json.RawMessage:
		return string(value)
	default:
		return ""
	}
}
