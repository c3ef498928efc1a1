package console

import (
	"math"
	"strconv"
	"strings"
)

// chart draws numbers as bars, one below the other, or as lines over time. It is measured in units of its view box, which is
// as wide as the narrow column of a page; the style sheet colours it. Who does not see it has the same numbers in a table.
type chart struct {
	Title, Desc   string
	Note          string // what it leaves out
	Width, Height float64
	Bars          []bar
	Lines         []line
	Rules         []rule   // across, where the lines' scale has a number
	Ticks         []anchor // along the bottom
}

// bar is one number, its label and its text above it.
type bar struct {
	Label, Text                string
	TextY, X, Y, Width, Height float64
	Below                      bool // below nothing
}

// line is a series of numbers.
type line struct {
	Name    string
	Path    string // the points of a polyline
	Points  []anchor
	Other   bool    // what the first one is compared with
	LegendY float64 // 0 where there is nothing to tell apart
}

// rule is a number of the scale.
type rule struct {
	Text string
	Y    float64
}

// anchor is a text at a place.
type anchor struct {
	Text   string
	X, Y   float64
	Anchor string // which end of the text is there
}

const (
	chartWidth = 320.0
	barLetters = 41 // that stand above a bar: its label and its number
	barRow     = 38.0
	barHeight  = 12.0
	plotLeft   = 46.0
	plotRight  = chartWidth - 8
	plotHeight = 170.0
	legendRow  = 18.0
)

// point is a number to be drawn: where it stands, how great it is, and how it is written.
type point struct {
	Label string
	Value float64
	Text  string
}

// barChart draws a bar for each point. Bars begin at nothing, so that their lengths compare; what is below it goes to the left.
func barChart(title, desc string, points []point) *chart {
	low, high := extent(points)
	if low == high {
		return nil
	}
	c := &chart{Title: title, Desc: desc, Width: chartWidth, Height: float64(len(points)) * barRow}
	scale := func(v float64) float64 { return tenth(chartWidth * (v - low) / (high - low)) }
	for i, p := range points {
		top := float64(i) * barRow
		from, to := scale(min(p.Value, 0)), scale(max(p.Value, 0))
		c.Bars = append(c.Bars, bar{
			Label: shorten(p.Label, barLetters-width(p.Text)), Text: p.Text, TextY: top + 13, X: from, Y: top + 18, Width: tenth(max(to-from, 1)), Height: barHeight, Below: p.Value < 0,
		})
	}
	return c
}

// lineChart draws series over the same steps of time; the first is what it is about. Written gives a number of the scale.
func lineChart(title, desc string, names []string, series [][]point, written func(float64) string) *chart {
	low, high := 0.0, 0.0
	for _, points := range series {
		l, h := extent(points)
		low, high = min(low, l), max(high, h)
	}
	if low == high || len(series[0]) < 2 {
		return nil
	}
	step := niceStep((high - low) / 4)
	low, high = math.Floor(low/step)*step, math.Ceil(high/step)*step
	top := 8.0
	if len(series) > 1 {
		top += legendRow * float64(len(series))
	}
	c := &chart{Title: title, Desc: desc, Width: chartWidth, Height: top + plotHeight + 24}
	y := func(v float64) float64 { return tenth(top + plotHeight*(high-v)/(high-low)) }
	x := func(i int) float64 {
		return tenth(plotLeft + (plotRight-plotLeft)*float64(i)/float64(len(series[0])-1))
	}
	for n := range int(math.Round((high-low)/step)) + 1 {
		v := low + float64(n)*step
		c.Rules = append(c.Rules, rule{written(v), y(v)})
	}
	for s, points := range series {
		l := line{Name: names[s], Other: s > 0}
		if len(series) > 1 {
			l.LegendY = legendRow*float64(s) + 10
		}
		var path strings.Builder
		for i, p := range points {
			path.WriteString(coordinate(x(i)) + "," + coordinate(y(p.Value)) + " ")
			l.Points = append(l.Points, anchor{Text: p.Label + ": " + p.Text, X: x(i), Y: y(p.Value)})
		}
		l.Path = strings.TrimSpace(path.String())
		c.Lines = append(c.Lines, l)
	}
	last := len(series[0]) - 1
	bottom := top + plotHeight + 18
	c.Ticks = append(c.Ticks, anchor{series[0][0].Label, plotLeft, bottom, "start"}, anchor{series[0][last].Label, plotRight, bottom, "end"})
	if last >= 4 {
		c.Ticks = append(c.Ticks, anchor{series[0][last/2].Label, x(last / 2), bottom, "middle"})
	}
	return c
}

// extent is what a scale has to reach: from nothing, or below, to the greatest.
func extent(points []point) (low, high float64) {
	for _, p := range points {
		low, high = min(low, p.Value), max(high, p.Value)
	}
	return low, high
}

// niceStep is the next number that people count in: 1, 2 or 5 times a power of ten.
func niceStep(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= least {
			return n * power
		}
	}
	return 10 * power
}

// shortNumber writes a number of a scale in a few letters: 1.5M, 20k, in Chinese 150万.
func shortNumber(lang string, v float64) string {
	type unit struct {
		size float64
		name string
	}
	units := []unit{{1e9, "bn"}, {1e6, "M"}, {1e3, "k"}}
	if lang == "zh-CN" {
		units = []unit{{1e8, "亿"}, {1e4, "万"}}
	}
	for _, u := range units {
		if math.Abs(v) >= u.size {
			return group(strconv.FormatFloat(math.Round(v/u.size*100)/100, 'f', -1, 64)) + u.name
		}
	}
	return group(strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64))
}

// width is about how many letters a text is wide; those of Chinese are twice as wide.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += letterWidth(r)
	}
	return n
}

func letterWidth(r rune) int {
	if r >= 0x2E80 {
		return 2
	}
	return 1
}

// shorten cuts a text that is wider than there is room for.
func shorten(s string, room int) string {
	if width(s) <= room {
		return s
	}
	n := 1 // the dots
	for i, r := range s {
		if n += letterWidth(r); n > room {
			return s[:i] + "…"
		}
	}
	return s
}

func tenth(v float64) float64 { return math.Round(v*10) / 10 }

func coordinate(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
