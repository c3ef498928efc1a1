package console

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every pair of a text's and its ground's colour, as WCAG 2.2 counts contrast: AA asks for 4.5.
func TestColoursCanBeRead(t *testing.T) {
	t.Parallel()
	b, err := assets.ReadFile("asset/style.css")
	if err != nil {
		t.Fatal(err)
	}
	for scheme, tokens := range schemes(t, string(b)) {
		for _, pair := range [][2]string{
			{"ink", "ground"},
			{"ink", "surface"},
			{"ink", "raised"},
			{"ink", "sunken"},
			{"ink-2", "surface"},
			{"ink-2", "ground"},
			{"ink-3", "surface"},
			{"ink-3", "ground"},
			{"ink-3", "sunken"},
			{"ink-3", "raised"},
			{"accent", "surface"},
			{"accent", "ground"},
			{"accent", "sunken"},
			{"accent", "accent-soft"},
			{"accent-ink", "accent"},
			{"ok", "ok-soft"},
			{"warn", "warn-soft"},
			{"bad", "bad-soft"},
			{"bad", "surface"},
			{"bad", "raised"},
			{"bad", "sunken"},
			{"idle", "idle-soft"},
		} {
			if got := contrast(tokens[pair[0]], tokens[pair[1]]); !(got >= 4.5) {
				t.Errorf("%s: %s on %s has contrast %.2f", scheme, pair[0], pair[1], got)
			}
		}
		for _, ground := range []string{"surface", "ground", "raised"} { // what shows where an input is: 3
			if got := contrast(tokens["field"], tokens[ground]); !(got >= 3) {
				t.Errorf("%s: the border of an input on %s has contrast %.2f", scheme, ground, got)
			}
		}
	}
}

// schemes are the colours of the light and the dark tokens by name.
func schemes(t *testing.T, css string) map[string]map[string]string {
	t.Helper()
	light, dark, ok := strings.Cut(css, "@media screen and (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("there is no dark scheme")
	}
	token := regexp.MustCompile(`--([a-z0-9-]+): #([0-9a-f]{6}|[0-9a-f]{3});`)
	all := map[string]map[string]string{"light": {}, "dark": {}}
	for name, part := range map[string]string{"light": light, "dark": dark} {
		for _, m := range token.FindAllStringSubmatch(part, -1) {
			hex := m[2]
			if len(hex) == 3 {
				hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
			}
			all[name][m[1]] = hex
		}
		if len(all[name]) < 20 {
			t.Fatalf("only %d colours are %s", len(all[name]), name)
		}
	}
	return all
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(hex string) float64 {
	if len(hex) != 6 {
		return math.NaN() // a token that is not there
	}
	channel := func(i int) float64 {
		n, err := strconv.ParseUint(hex[i:i+2], 16, 8)
		if err != nil {
			return math.NaN()
		}
		v := float64(n) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(0) + 0.7152*channel(2) + 0.0722*channel(4)
}
