package console

import (
	"testing"

	"pgregory.net/rapid"
)

// drawn are numbers as a report may have them.
func drawn(t *rapid.T, least int) []point {
	values := rapid.SliceOfN(rapid.Float64Range(-1e12, 1e12), least, 40).Draw(t, "values")
	points := make([]point, len(values))
	for i, v := range values {
		points[i] = point{Label: rapid.StringN(0, 60, -1).Draw(t, "label"), Value: v, Text: group("1234.50")}
	}
	return points
}

func TestBarsAreAsLongAsTheirNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		points := drawn(t, 1)
		c := barChart("", "", points)
		if c == nil {
			for _, p := range points {
				if p.Value != 0 {
					t.Fatal("nothing was drawn")
				}
			}
			return
		}
		low, high := extent(points)
		for i, b := range c.Bars {
			if b.X < 0 || b.X+b.Width > c.Width+1 || b.Y+b.Height > c.Height {
				t.Fatalf("bar %d leaves the chart: %+v", i, b)
			}
			want := max(c.Width*max(points[i].Value, -points[i].Value)/(high-low), 1)
			if b.Width < want-.2 || b.Width > want+.2 {
				t.Fatalf("bar %d is %v wide, want %v", i, b.Width, want)
			}
			if b.Below != (points[i].Value < 0) || width(b.Label)+width(b.Text) > barLetters {
				t.Fatalf("bar %d: %+v", i, b)
			}
		}
	})
}

func TestLinesStayBetweenTheirRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		first := drawn(t, 2)
		second := make([]point, len(first))
		for i := range first {
			second[i].Value = rapid.Float64Range(-1e12, 1e12).Draw(t, "other")
		}
		c := lineChart("", "", []string{"this", "that"}, [][]point{first, second}, func(f float64) string { return shortNumber("en", f) })
		if c == nil {
			return // all is nothing
		}
		bottom, top := c.Rules[0].Y, c.Rules[len(c.Rules)-1].Y
		if n := len(c.Rules); n < 2 || n > 7 {
			t.Fatalf("%d rules", n)
		}
		for _, l := range c.Lines {
			for i, p := range l.Points {
				if p.Y < top-.1 || p.Y > bottom+.1 || p.X < plotLeft || p.X > plotRight || i > 0 && p.X < l.Points[i-1].X {
					t.Fatalf("point %d at %v, %v between %v and %v", i, p.X, p.Y, top, bottom)
				}
			}
		}
	})
}

func TestScalesAreWrittenShort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lang  string
		value float64
		want  string
	}{
		{"en", 0, "0"},
		{"en", 950, "950"},
		{"en", 1500, "1.5k"},
		{"en", -2_000_000, "−2M"},
		{"en", 3.2e9, "3.2bn"},
		{"zh-CN", 9500, "9,500"},
		{"zh-CN", 15_000, "1.5万"},
		{"zh-CN", 2e8, "2亿"},
	} {
		if got := shortNumber(c.lang, c.value); got != c.want {
			t.Errorf("%v in %s: %q, want %q", c.value, c.lang, got, c.want)
		}
	}
	if got := shorten("山东省青岛市市南区贸易有限公司", 11); got != "山东省青岛…" {
		t.Errorf("shortened to %q", got)
	}
}
