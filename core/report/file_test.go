package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/xuri/excelize/v2"
	"pgregory.net/rapid"

	"crmhub/core/postgres/postgrestest"
	"crmhub/core/report"
	"crmhub/core/schema"
	"crmhub/core/sheet"
)

// TestFilesHaveTheNumbersOfTheReport draws results and compares what a reader of the file finds, as CSV and as XLSX, with what
// JSON has.
func TestFilesHaveTheNumbersOfTheReport(t *testing.T) {
	t.Parallel()
	values := map[report.Type]*rapid.Generator[any]{
		report.TypeInteger: rapid.Map(rapid.Int64(), func(n int64) any { return n }),
		// Of 16 and 17 digits with a fraction a reader cannot tell whether a spreadsheet made them of 15.
		report.TypeAmount:  rapid.Map(rapid.StringMatching(`0|-?[1-9][0-9]{0,17}|-?(0|[1-9][0-9]{0,9})\.[0-9]{0,3}[1-9]`), func(s string) any { return s }),
		report.TypePercent: rapid.Map(rapid.StringMatching(`(0|-?[1-9][0-9]{0,3})(\.[0-9]?[1-9])?`), func(s string) any { return s }),
		report.TypeDate:    rapid.Map(rapid.IntRange(1, 60_000), func(n int) any { return time.Date(1950, 1, n, 0, 0, 0, 0, time.UTC).Format(time.DateOnly) }),
		report.TypeMonth:   rapid.Map(rapid.StringMatching(`20[0-9]{2}-0[1-9]`), func(s string) any { return s }),
		report.TypeText:    rapid.Map(rapid.StringMatching(`['=+@a-zé客, "-]{0,12}[a-z]`), func(s string) any { return s }),
		report.TypeReasons: rapid.Just(any(json.RawMessage(`[{"reason":"silent","points":40}]`))),
	}
	types := slices.Sorted(maps.Keys(values))
	rapid.Check(t, func(rt *rapid.T) {
		var result report.Result
		var want [][]string
		names := []string{}
		for i, typ := range rapid.SliceOfN(rapid.SampledFrom(types), 1, 5).Draw(rt, "columns") {
			result.Columns = append(result.Columns, report.Column{Name: fmt.Sprint("c", i), Type: typ})
			names = append(names, fmt.Sprint("c", i))
		}
		want = append(want, names)
		for range rapid.IntRange(0, 4).Draw(rt, "rows") {
			row, cells := report.Row{"c0": values[result.Columns[0].Type].Draw(rt, "first")}, make([]string, len(names))
			for i, c := range result.Columns {
				if i > 0 && rapid.Bool().Draw(rt, "there") {
					row[c.Name] = values[c.Type].Draw(rt, c.Name)
				}
				if text, err := json.Marshal(row[c.Name]); err != nil {
					rt.Fatal(err)
				} else if row[c.Name] != nil && json.Unmarshal(text, &cells[i]) != nil {
					cells[i] = string(text)
				}
			}
			result.Rows, want = append(result.Rows, row), append(want, cells)
		}
		for _, format := range []sheet.Format{sheet.CSV, sheet.XLSX} {
			var file bytes.Buffer
			if err := result.Write(&file, format, func(c report.Column) string { return c.Name }, nil); err != nil {
				rt.Fatal(err)
			}
			got := readTable(rt, &file, format, len(names))
			for _, row := range got[1:] {
				for i, c := range result.Columns {
					if days, err := strconv.Atoi(row[i]); err == nil && format == sheet.XLSX && c.Type == report.TypeDate { // counted from 1899-12-30
						row[i] = time.Date(1899, 12, 30+days, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
					}
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("as %s (-JSON +file):\n%s", format, diff)
			}
		}
	})
}

// readTable reads a file as package sheet gives it: headings and rows, each as wide as the table.
func readTable(t interface{ Fatal(args ...any) }, file *bytes.Buffer, format sheet.Format, width int) (rows [][]string) {
	form := sheet.Form{Format: format, Header: true}
	if format == sheet.CSV {
		form.Encoding, form.Delimiter = sheet.UTF8, ","
	}
	table, err := sheet.Open(file, form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = table.Close() }()
	rows = [][]string{table.Names()}
	for {
		row, err := table.Next()
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, append(append([]string(nil), row.Cells...), make([]string, max(width-len(row.Cells), 0))...))
	}
}

func TestFilesHaveTypedCellsAndNoFormulas(t *testing.T) {
	t.Parallel()
	result := report.Result{
		Columns: []report.Column{
			{Name: "key", Type: report.TypeText},
			{Name: "revenue", Type: report.TypeAmount},
			{Name: "change", Type: report.TypePercent},
			{Name: "orders", Type: report.TypeInteger},
			{Name: "due", Type: report.TypeDate},
			{Name: "month", Type: report.TypeMonth},
			{Name: "hidden", Type: report.TypeText},
		},
		Rows:   []report.Row{{"key": "=1+1", "revenue": "-1250.5", "change": nil, "orders": int64(3), "due": "2026-03-31", "month": "2026-03", "hidden": "no"}},
		Totals: []report.Row{{"revenue": "77"}},
	}
	heading := func(c report.Column) string {
		if c.Name == "hidden" {
			return ""
		}
		return "@" + c.Name
	}
	var csv, xlsx bytes.Buffer
	if err := errors.Join(result.Write(&csv, sheet.CSV, heading, nil), result.Write(&xlsx, sheet.XLSX, heading, nil)); err != nil {
		t.Fatal(err)
	}
	want := "\ufeff'@key,'@revenue,'@change,'@orders,'@due,'@month\r\n'=1+1,-1250.5,,3,2026-03-31,2026-03\r\n"
	if diff := cmp.Diff(want, csv.String()); diff != "" {
		t.Error(diff)
	}
	book, err := excelize.OpenReader(&xlsx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	for cell, want := range map[string]excelize.CellType{"A2": excelize.CellTypeInlineString, "B2": excelize.CellTypeUnset, "D2": excelize.CellTypeUnset, "E2": excelize.CellTypeUnset, "F2": excelize.CellTypeInlineString} {
		if got, err := book.GetCellType("Sheet1", cell); got != want || err != nil {
			t.Errorf("%s is of type %v %v, want %v", cell, got, err, want)
		}
	}
	if day, err := book.GetCellValue("Sheet1", "E2"); day != "2026-03-31" || err != nil {
		t.Errorf("the day is %q %v", day, err)
	}
}

// TestFilesHaveAllRows asks for more customers than a page has, and for more than a file may have.
func TestFilesHaveAllRows(t *testing.T) {
	t.Parallel()
	b := openBooks(t, postgrestest.New(t))
	err := b.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			with c as (
				insert into customers (id, code, name, kind, lifecycle, currency, version, origin, created_at, created_by, updated_at, updated_by)
				select gen_random_uuid(), 'N' || n, 'Customer ' || n, 'company', 'customer', 'EUR', 1, 'crm', now(), 'system', now(), 'system' from generate_series(1, 150) n
				returning id, code)
			insert into orders (id, number, customer_id, date, currency, status, delivery_status, billing_status, payment_status, untaxed, tax, total, version, origin, created_at, created_by, updated_at, updated_by)
			select gen_random_uuid(), code, id, '2026-03-01', 'EUR', 'confirmed', 'none', 'none', 'none', 1, 0, 1, 1, 'crm', now(), 'system', now(), 'system' from c`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := report.Find("booked")
	if err != nil {
		t.Fatal(err)
	}
	whole := func(limit string, most int) (result report.Result, err error) {
		given := report.Parameters{"by": "customer", "from": "2026-01-01", "to": "2026-12-31"}
		if limit != "" {
			given["limit"] = limit
		}
		err = b.as(t, func(ctx context.Context, tx pgx.Tx) (err error) {
			result, err = b.store.WholeOf(ctx, tx, r, given, most)
			return err
		})
		return result, err
	}
	if result, err := whole("", 150); err != nil || len(result.Rows) != 150 || result.Truncated {
		t.Errorf("%d rows of 150: %v", len(result.Rows), err)
	}
	if result, err := whole("10", 150); err != nil || len(result.Rows) != 10 || !result.Truncated {
		t.Errorf("%d rows of the 10 asked for: %v", len(result.Rows), err)
	}
	var faults schema.Violations
	if _, err := whole("", 149); !errors.As(err, &faults) || faults[0].Pointer != "/limit" {
		t.Errorf("a part is given for the whole: %v", err)
	}
}
