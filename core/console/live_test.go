package console_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
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

// A reader has a few turns at the database at once: what is only followed takes none.
func TestStreamsHoldUpNoPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	for range 6 {
		r := s.follow(t.Context())
		defer func() { _ = r.Body.Close() }()
	}
	s.get("/sync/runs/"+s.run.ID.String()).wants(t, http.StatusOK, "Cancel run")
}

func TestStreamOfNoRunIsAPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/sync/runs/"+s.job.ID.String()+"/live").wants(t, http.StatusNotFound, "Not found")
}

// stream opens a stream and returns what comes on it: one event's data after the other.
func (s *site) stream(path string) (next func() string, leave func()) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	r, err := s.browser.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	if kind := r.Header.Get("Content-Type"); kind != "text/event-stream" {
		s.Fatalf("%s: status %d, Content-Type %q", path, r.StatusCode, kind)
	}
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 1<<20)
	next = func() string {
		s.Helper()
		var data strings.Builder
		for lines.Scan() {
			if lines.Text() == "" {
				return data.String()
			}
			data.WriteString(strings.TrimPrefix(lines.Text(), "data: "))
		}
		s.Fatalf("%s ended: %v", path, lines.Err())
		return ""
	}
	return next, func() { cancel(); _ = r.Body.Close() } // it is broken off
}

// The overview and home follow the sync: a dead letter that is dismissed is gone for all who look, without a reload.
func TestSyncIsFollowed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/sync").wants(t, 200, `data-live="/sync/live"`, "Needs attention")
	s.get("/").wants(t, 200, `data-live="/live"`)
	overview, leave := s.stream("/sync/live")
	home, leaveHome := s.stream("/live")
	if first := overview(); !strings.Contains(first, "Failing") || !strings.Contains(first, "Needs attention") || !strings.Contains(first, "Our ERP") {
		t.Errorf("the overview begins with\n%s", first)
	}
	if first := home(); !strings.Contains(first, "Failing") || !strings.Contains(first, "Our ERP") {
		t.Errorf("home begins with\n%s", first)
	}
	s.post("/sync/dead-letters/"+s.letter.String()+"/dismiss", "reason", "a test")
	if then := overview(); strings.Contains(then, "Needs attention") || strings.Contains(then, "Failing") || !strings.Contains(then, "all clear") {
		t.Errorf("the overview goes on with\n%s", then)
	}
	if then := home(); strings.Contains(then, "Failing") || !strings.Contains(then, "Our ERP") {
		t.Errorf("home goes on with\n%s", then)
	}
	leave()
	leaveHome()
	s.server.Close() // waits for every request
}

// The jobs follow what becomes of their runs; who may not see runs sees the jobs alone.
func TestJobsAreFollowed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/sync/jobs").wants(t, 200, `data-live="/sync/jobs/live"`, "Last run", "/sync/runs/"+s.run.ID.String(), "Queued")
	jobs, leave := s.stream("/sync/jobs/live")
	if first := jobs(); !strings.Contains(first, "/sync/runs/"+s.run.ID.String()) || !strings.Contains(first, "Queued") || !strings.Contains(first, "Run now") {
		t.Errorf("the jobs begin with\n%s", first)
	}
	s.cancelRun()
	if then := jobs(); strings.Contains(then, "Queued") || !strings.Contains(then, "Cancelled") {
		t.Errorf("the jobs go on with\n%s", then)
	}
	leave()
	s.become(access.Role{Grants: []access.Grant{{Resource: access.Jobs, Action: access.Read, Scope: "organization"}}})
	s.signIn()
	alone, leave := s.stream("/sync/jobs/live")
	defer leave()
	first := alone()
	if !strings.Contains(first, "Pull · Order") {
		t.Errorf("the jobs are not shown:\n%s", first)
	}
	for _, secret := range []string{"Cancelled", "Last run", "Run now", "Pause"} {
		if strings.Contains(first, secret) {
			t.Errorf("%q is shown:\n%s", secret, first)
		}
	}
}

// Dead letters and their causes are followed, each list as it was asked for: what comes anew is there, what was dealt with is gone.
func TestDeadLettersAreFollowed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/sync/dead-letters").wants(t, 200, `data-live="/sync/dead-letters/live?status=open"`)
	s.get("/sync/dead-letters/causes").wants(t, 200, `data-live="/sync/dead-letters/causes/live"`)
	s.get("/sync/dead-letters/live?status=lost").wants(t, http.StatusBadRequest)
	all, leaveAll := s.stream("/sync/dead-letters/live?status=open")
	invoices, leaveInvoices := s.stream("/sync/dead-letters/live?status=open&entity=invoice")
	causes, leaveCauses := s.stream("/sync/dead-letters/causes/live")
	if first := all(); !strings.Contains(first, s.letter.String()) {
		t.Errorf("the letters begin with\n%s", first)
	}
	if first := invoices(); !strings.Contains(first, "Nothing matches") {
		t.Errorf("the letters of invoices begin with\n%s", first)
	}
	if first := causes(); !strings.Contains(first, `<span class="badge bad">1</span>`) {
		t.Errorf("the causes begin with\n%s", first)
	}
	s.tx(func(tx pgx.Tx) error {
		letter := func(entity, id string) job.DeadLetter {
			return job.DeadLetter{
				ConnectionID: s.erp.ID, Direction: job.Pull, Entity: entity, RemoteID: id, Stage: job.StageMapping, Class: "mapping", Message: "no such unit",
			}
		}
		return job.Bury(t.Context(), tx, []job.DeadLetter{letter("order", "R-7"), letter("invoice", "R-8"), letter("invoice", "R-9")})
	})
	if then := all(); !strings.Contains(then, "R-7") || !strings.Contains(then, "R-8") || !strings.Contains(then, s.letter.String()) {
		t.Errorf("the letters go on with\n%s", then)
	}
	if then := invoices(); !strings.Contains(then, "R-8") || strings.Contains(then, "R-7") {
		t.Errorf("the letters of invoices go on with\n%s", then)
	}
	if then := causes(); !strings.Contains(then, `<span class="badge bad">2</span>`) || !strings.Contains(then, "no such unit") {
		t.Errorf("the causes go on with\n%s", then)
	}
	leaveAll()
	leaveInvoices()
	leaveCauses()
	s.server.Close() // waits for every request
}

// Who sees connections but no dead letters is told of none.
func TestSyncIsFollowedByWhoMayNotSeeLetters(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.become(access.Role{Grants: []access.Grant{{Resource: access.Connections, Action: access.Read, Scope: "organization"}}})
	s.signIn()
	overview, leave := s.stream("/sync/live")
	defer leave()
	first := overview()
	if !strings.Contains(first, "Our ERP") {
		t.Errorf("the connection is not shown:\n%s", first)
	}
	for _, secret := range []string{"no amount", "/sync/dead-letters", "Latest runs", "/sync/runs"} {
		if strings.Contains(first, secret) {
			t.Errorf("%q is shown:\n%s", secret, first)
		}
	}
	s.get("/sync/runs/"+s.run.ID.String()+"/live").wants(t, http.StatusForbidden)
}
