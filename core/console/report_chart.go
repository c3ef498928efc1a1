package console

import (
	"cmp"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"crmhub/core/report"
)

const (
	barsDrawn    = 12
	monthsDrawn  = 120
	linesDrawn   = 2
	fewestPoints = 3 // of a line
)

// reportChart draws what a report is about first: its first amount, else its first count, by month as a line, by anything else
// as bars. There is none where there is nothing to compare.
func (v *visit) reportChart(result report.Result, t *reportTable) *chart {
	measures := drawnMeasures(t.columns)
	if len(measures) == 0 || t.columns[0].Name != "key" || len(t.Rows) < 2 {
		return nil
	}
	first, key := t.columns[measures[0]], t.columns[0]
	currency := t.Currency
	rows := make([]int, 0, len(result.Rows)) // those in one currency: others do not compare
	for i, row := range result.Rows {
		if first.Type == report.TypeAmount && t.Currency == "" {
			of, _ := row["currency"].(string)
			if currency == "" {
				currency = of
			}
			if of != currency {
				continue
			}
		}
		if row[first.Name] != nil || key.Type == report.TypeMonth {
			rows = append(rows, i)
		}
	}
	of, by := v.wordsOf(first.Title), inSentence(v.lang, v.wordsOf(key.Title))
	title := v.say("report.chart_title", of, by)
	if first.Type == report.TypeAmount && currency != "" {
		title = v.say("report.chart_title_in", of, by, currency)
	}
	if key.Type == report.TypeMonth {
		if c := v.monthChart(title, result, t, rows, measures); c != nil {
			return c
		}
	}
	var points []point
	for _, i := range rows[:min(len(rows), barsDrawn)] {
		points = append(points, pointOf(t.Rows[i][0].Text, result.Rows[i], first, t.Rows[i][measures[0]]))
	}
	if len(points) < 2 {
		return nil
	}
	c := barChart(title, v.chartDescription(points), points)
	if c != nil && len(rows) > barsDrawn {
		c.Note = v.say("report.chart_first", barsDrawn)
	}
	return c
}

// monthChart draws months, those without a row as nothing; nil if there are too few.
func (v *visit) monthChart(title string, result report.Result, t *reportTable, rows, measures []int) *chart {
	at := map[string]int{}
	var months []string
	for _, i := range rows {
		if month, _ := result.Rows[i]["key"].(string); month != "" {
			at[month] = i
			months = append(months, month)
		}
	}
	if len(months) == 0 {
		return nil
	}
	var names []string
	var series [][]point
	for _, m := range measures {
		var points []point
		for month := slices.Min(months); month <= slices.Max(months) && len(points) < monthsDrawn; month = monthAfter(month) {
			label := v.figureText(report.Column{Type: report.TypeMonth}, month, nil, "", nil)
			if i, ok := at[month]; ok {
				points = append(points, pointOf(label, result.Rows[i], t.columns[m], t.Rows[i][m]))
			} else {
				points = append(points, point{Label: label, Text: "–"})
			}
		}
		if low, high := extent(points); len(series) > 0 && low == high {
			continue // there is nothing to compare with
		}
		names, series = append(names, v.wordsOf(t.columns[m].Title)), append(series, points)
	}
	if len(series[0]) < fewestPoints {
		return nil
	}
	return lineChart(title, v.chartDescription(series[0]), names, series, func(f float64) string { return shortNumber(v.lang, f) })
}

// drawnMeasures are the places of the first measures of one type, amounts before counts.
func drawnMeasures(columns []report.Column) []int {
	for _, typ := range []report.Type{report.TypeAmount, report.TypeInteger} {
		var places []int
		for i, c := range columns {
			if c.Type == typ && !c.Derived && c.Name != "key" && len(places) < linesDrawn {
				places = append(places, i)
			}
		}
		if len(places) > 0 {
			return places
		}
	}
	return nil
}

func pointOf(label string, row report.Row, c report.Column, shown cell) point {
	p := point{Label: label, Text: shown.Text}
	switch value := row[c.Name].(type) {
	case int64:
		p.Value = float64(value)
	case string:
		if d, err := decimal.NewFromString(value); err == nil {
			p.Value = d.InexactFloat64()
		}
	}
	return p
}

// chartDescription says in words what strikes the eye.
func (v *visit) chartDescription(points []point) string {
	top := slices.MaxFunc(points, func(a, b point) int { return cmp.Compare(a.Value, b.Value) })
	return v.say("report.chart_desc", top.Label, top.Text)
}

func monthAfter(month string) string {
	t, err := time.Parse("2006-01", month)
	if err != nil {
		return "~" // behind all months
	}
	return t.AddDate(0, 1, 0).Format("2006-01")
}
