package console_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What differs from one run to the next.
var (
	ids      = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{16}\b`) // fingerprints too
	digests  = regexp.MustCompile(`\.[0-9a-f]{12}\.`)
	instants = regexp.MustCompile(`<time datetime="[^"]+">[^<]+</time>`)
)

func TestPagesLookAsBefore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.sell("O-2", "2026-08-31", "EUR", "250")
	s.signIn()
	imported := s.uploaded("customer", "new.csv", customersFile)
	s.browser = s.newBrowser()
	pages := []struct{ file, lang, path string }{
		{"login.en.html", "en", "/login?to=%2Forders"},
		{"order.en.html", "en", "/orders/" + s.order.ID.String()},
		{"report.zh-CN.html", "zh-CN", booked2026},
		{"users.en.html", "en", "/admin/users"},
		{"role-fields.zh-CN.html", "zh-CN", "/admin/roles/" + s.role("sales").ID.String() + "/fields?resource=contact"},
		{"import.en.html", "en", imported},
		{"dead-letter.zh-CN.html", "zh-CN", "/sync/dead-letters/" + s.letter.String()},
	}
	for _, p := range pages {
		s.post("/language", "language", p.lang)
		if p.file == "order.en.html" {
			s.signIn()
		}
		a := s.get(p.path)
		a.wants(t, 200)
		got := ids.ReplaceAllString(a.body, "ID")
		got = digests.ReplaceAllString(got, ".DIGEST.")
		got = instants.ReplaceAllString(got, "<time>")
		name := "testdata/" + p.file
		if *update {
			if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s\nIf the change is meant: go test ./core/console -update", name, diff)
		}
	}
}
