package transfer

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"crmhub/core/crm"
	"crmhub/core/sheet"
)

func TestCellsAreReadAsTheirFieldSays(t *testing.T) {
	t.Parallel()
	number, day, at := crm.Field{Type: "number"}, crm.Field{Type: "date"}, crm.Field{Type: "instant"}
	whole, yes, country := crm.Field{Type: "integer"}, crm.Field{Type: "boolean"}, crm.Field{Type: "text", Format: "country"}
	choice := crm.Field{Type: "text", Enum: []string{"company", "person", "in_progress", "A"}}
	for _, tc := range []struct {
		field crm.Field
		cell  string
		want  any // a string is compared as text; "!rule" is a fault
	}{
		{number, "12.5", "12.5"},
		{number, "-1", "-1"},
		{number, "1,234.50", "1234.50"},
		{number, "1.234,50", "1234.50"},
		{number, "1,5", "1.5"},
		{number, "0,125", "0.125"},
		{number, "1234,567", "1234.567"},
		{number, "1,234", "!ambiguous"},
		{number, "1.234", "!ambiguous"},
		{number, "1,234,567", "1234567"},
		{number, "1.234.567", "1234567"},
		{number, "12,34,567", "!ambiguous"},
		{number, "1.2,3.4", "!ambiguous"},
		{number, "1 234,5", "1234.5"},
		{number, "1'234.5", "1234.5"},
		{number, "12 34", "!format"},
		{number, "13%", "13"},
		{number, "(12.50)", "-12.50"},
		{number, "¥1,234.50", "1234.50"},
		{number, "-€5", "-5"},
		{number, "１２.５", "12.5"},
		{number, ".5", "0.5"},
		{number, "1e9", "!format"},
		{number, "abc", "!format"},
		{number, "", "!format"},
		{number, "--1", "!format"},
		{day, "2026-01-02", "2026-01-02"},
		{day, "2026/1/2", "2026-01-02"},
		{day, "2026.1.2", "2026-01-02"},
		{day, "2026年1月2日", "2026-01-02"},
		{day, "20260102", "2026-01-02"},
		{day, "2.1.2026", "2026-01-02"},
		{day, "31/12/2026", "2026-12-31"},
		{day, "12/31/2026", "2026-12-31"},
		{day, "1/2/2026", "!ambiguous"},
		{day, "5/5/2026", "2026-05-05"},
		{day, "46024", "2026-01-02"},
		{day, "46024.75", "2026-01-02"},
		{day, "2026-01-02 16:20:00", "2026-01-02"},
		{day, "2 Jan 2026", "2026-01-02"},
		{day, "2026", "!format"},
		{day, "2026-02-30", "!format"},
		{day, "1/2/26", "!format"},
		{at, "2026-01-02T03:04:05+08:00", "2026-01-01T19:04:05Z"},
		{at, "2026/1/2 3:04", "2026-01-02T03:04:00Z"},
		{at, "46024.5", "2026-01-02T12:00:00Z"},
		{at, "2026-01-02", "2026-01-02T00:00:00Z"},
		{whole, "12.0", "12"},
		{whole, "12.5", "!type"},
		{whole, "99999999999999999999", "!type"},
		{yes, "是", true},
		{yes, "No", false},
		{yes, "maybe", "!format"},
		{country, "United Kingdom", "GB"},
		{country, "中国", "CN"},
		{country, "DE", "DE"},
		{country, "Atlantis", "Atlantis"},
		{choice, "Company", "company"},
		{choice, "个人", "person"},
		{choice, "In progress", "in_progress"},
		{choice, "a", "A"},
		{choice, "odd", "odd"},
	} {
		got, wrong := valueOf(tc.field, tc.cell, "", false)
		if n, ok := got.(interface{ String() string }); ok {
			got = n.String()
		}
		if wrong != nil {
			got = "!" + wrong.rule
		}
		if got != tc.want {
			t.Errorf("%q as %s is %v, want %v", tc.cell, tc.field.Type+tc.field.Format, got, tc.want)
		}
	}
}

// A sign before three digits is what the file's other numbers say that it is, and never a guess.
func TestNumbersAreReadByTheDecimalMarkOfTheFile(t *testing.T) {
	t.Parallel()
	const untold, point, comma, kept = "", sheet.Point, sheet.Comma, "kept" // as a number, by a workbook
	for _, tc := range []struct {
		cell string
		mark string
		want string
	}{
		{"10.000", untold, "!ambiguous"},
		{"10.000", point, "10.000"},
		{"10.000", comma, "10000"},
		{"10.000", kept, "10.000"},
		{"10,000", point, "10000"},
		{"10,000", comma, "10.000"},
		{"10,000", kept, "!ambiguous"},
		{"1.15", comma, "!ambiguous"},
		{"1,15", point, "!ambiguous"},
		{"1.234,5", comma, "1234.5"},
		{"1.234,5", point, "!ambiguous"},
		{"1,234.5", comma, "!ambiguous"},
		{"1.234.567", comma, "1234567"},
		{"1.234.567", point, "!ambiguous"},
		{"-1 234,5", comma, "-1234.5"},
		{"-1234.5", kept, "-1234.5"},
		{"1.234,5", kept, "1234.5"},
	} {
		got, wrong := valueOf(crm.Field{Type: "number"}, tc.cell, strings.TrimSuffix(tc.mark, kept), tc.mark == kept)
		if wrong != nil {
			got = "!" + wrong.rule
		}
		if got != tc.want {
			t.Errorf("%q with %q is %v, want %s", tc.cell, tc.mark, got, tc.want)
		}
	}
}

var canonicalDecimal = regexp.MustCompile(`^-?[0-9]{1,40}(\.[0-9]{1,40})?$`)

// FuzzValue: what a cell is read as has the form that the store reads, and reads the same again.
func FuzzValue(f *testing.F) {
	for _, s := range []string{"1,234.5", "2026年1月2日", "1/2/2026", "46024.5", "(１２)", "是", "2026-01-02T03:04:05Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		for _, mark := range []string{"", sheet.Point, sheet.Comma} {
			v, wrong := decimalOf(cell, mark)
			if wrong != nil {
				continue
			}
			s, _ := v.(string)
			if !canonicalDecimal.MatchString(s) {
				t.Errorf("%q is the number %q", cell, s)
			}
			if again, wrong := decimalOf(s, sheet.Point); wrong != nil || again != v {
				t.Errorf("%q is %v, which is %v (%v)", cell, v, again, wrong)
			}
		}
		if v, wrong := dateOf(cell); wrong == nil {
			if _, err := time.Parse(time.DateOnly, v.(string)); err != nil {
				t.Errorf("%q is the date %v", cell, v)
			}
		}
		_, _ = integerOf(cell, "", false)
		_, _ = instantOf(cell)
		_, _ = booleanOf(cell)
	})
}
