package console_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
)

// follow asks for the stream of the site's run.
func (s *site) follow(ctx context.Context) *http.Response {
	s.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL+"/sync/runs/"+s.run.ID.String()+"/live", nil)
	if err != nil {
		s.Fatal(err)
	}
	r, err := s.browser.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	return r
}

func (s *site) cancelRun() {
	s.Helper()
	s.tx(func(tx pgx.Tx) error {
		_, err := job.RequestCancel(s.Context(), tx, s.run.ID)
		return err
	})
}

func TestRunIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/sync/runs/"+s.run.ID.String()).wants(t, 200, `data-live="/sync/runs/`, "Cancel run")
	r := s.follow(t.Context())
	defer func() { _ = r.Body.Close() }()
	if kind := r.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("Content-Type %q", kind)
	}
	var events []string
	seen := map[string]bool{}
	for lines := bufio.NewScanner(r.Body); lines.Scan(); { // until the stream ends
		line := lines.Text()
		if event, ok := strings.CutPrefix(line, "event: "); ok {
			events = append(events, event)
			if len(events) == 1 {
				s.cancelRun()
			}
		}
		for _, word := range []string{"Queued", "Cancelled"} {
			seen[word] = seen[word] || strings.HasPrefix(line, "data: ") && strings.Contains(line, word)
		}
	}
	if diff := cmp.Diff([]string{"fragment", "fragment", "done"}, events); diff != "" {
		t.Error(diff)
	}
	if !seen["Queued"] || !seen["Cancelled"] {
		t.Errorf("the fragments showed %v", seen)
	}
	if page := s.get("/sync/runs/" + s.run.ID.String()); strings.Contains(page.body, "data-live") || !strings.Contains(page.body, "Run again") {
		t.Errorf("a run that ended is still followed:\n%s", page.body)
	}
}

// Closing the server waits for every request: it would not come back if a stream outlived its reader.
func TestStreamEndsWhenItsReaderLeaves(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	ctx, leave := context.WithCancel(t.Context())
	r := s.follow(ctx)
	if _, err := bufio.NewReader(r.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	leave()
	_ = r.Body.Close() // it was broken off
	s.server.Close()
}

func TestStreamOfNoRunIsAPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/sync/runs/"+s.job.ID.String()+"/live").wants(t, http.StatusNotFound, "Nothing here")
}
