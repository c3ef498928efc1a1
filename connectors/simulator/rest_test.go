package simulator_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmhub/connectors"
	"crmhub/connectors/simulator"
	"crmhub/core/connector"
	"crmhub/core/schema"
	"crmhub/core/secret"
)

// session is a simulated system as the engine sees it.
type session interface {
	connector.Session
	connector.Puller
	connector.Pusher
	connector.Finder
	connector.Getter
}

// connect opens a session through the manifest of a name.
func (r remote) connect(t *testing.T, name, url string) session {
	t.Helper()
	all, err := connectors.All()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(c connector.Connector) bool { return c.Name == name })
	s := open(t, all[i], url, apiKey)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func open(t *testing.T, c connector.Connector, url, key string) session {
	t.Helper()
	s, err := c.Open(connector.Options{
		Config: map[string]any{"url": url}, Secrets: map[string]secret.Text{"api_key": secret.New(key)}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.(session)
}

func document(t *testing.T, text string) map[string]any {
	t.Helper()
	v, err := schema.DecodeJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v.(map[string]any)
}

// push writes one record.
func push(t *testing.T, s session, stream string, w connector.Write) connector.Result {
	t.Helper()
	results, err := s.Push(t.Context(), stream, []connector.Write{w})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

func TestTheManifestsReachBothSystems(t *testing.T) {
	t.Parallel()
	r := start(t, simulator.Config{})
	erp, finance := r.connect(t, "simulator-erp", r.ERPURL()), r.connect(t, "simulator-finance", r.FinanceURL())
	for _, s := range []session{erp, finance} {
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	create := func(s session, stream, reference, body string) connector.Record {
		t.Helper()
		got := push(t, s, stream, connector.Write{Op: connector.OpCreate, Reference: reference, Data: document(t, body)})
		if got.Outcome != connector.Done {
			t.Fatalf("create %s: %v", stream, got.Err)
		}
		return got.Record
	}
	type id struct{ ID, Version string }
	var got []id
	for _, made := range []connector.Record{
		create(erp, "party", "ALFKI", party), create(erp, "party", "ALFKI", party), create(erp, "article", "NW-001", article),
		create(erp, "order", "O1", order("O1")), create(finance, "client", "ALFKI", client),
	} {
		got = append(got, id{made.ID, made.Version})
	}
	want := []id{{"K10001", "1"}, {"K10001", "1"}, {"A20001", "1"}, {"500001", "1"}, {"cl_000001", "1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	if again := push(t, finance, "client", connector.Write{Op: connector.OpCreate, Reference: "ALFKI", Data: document(t, client)}); again.Outcome != connector.Refused || again.Err.Class != connector.ClassConflict {
		t.Errorf("a client created again: %+v %v", again, again.Err)
	}
	change := connector.Write{Op: connector.OpUpdate, ID: "500001", RemoteVersion: "1", Data: document(t, order("O1"))}
	if changed := push(t, erp, "order", change); changed.Outcome != connector.Done || changed.Record.Version != "2" {
		t.Errorf("an order changed: %+v %v", changed, changed.Err)
	}
	if stale := push(t, erp, "order", change); stale.Outcome != connector.Refused || stale.Err.Class != connector.ClassConflict {
		t.Errorf("a stale change: %+v %v", stale, stale.Err)
	}
	bad := connector.Write{Op: connector.OpCreate, Reference: "X", Data: document(t, `{"title": "", "uom": "", "phase": "ACTIVE", "external_ref": "X"}`)}
	refused := push(t, erp, "article", bad)
	wanted := &connector.Error{Class: connector.ClassData, Code: "REQUIRED", Message: "an article needs a title"}
	if refused.Outcome != connector.Refused || refused.Err.Class != wanted.Class || refused.Err.Code != wanted.Code || refused.Err.Message != wanted.Message {
		t.Errorf("a bad article: %+v, not %+v", refused.Err, wanted)
	}

	found, err := erp.Find(t.Context(), "order", "O1")
	if err != nil || found == nil || found.ID != "500001" {
		t.Errorf("find the order: %+v, %v", found, err)
	}
	if none, err := erp.Find(t.Context(), "order", "O2"); none != nil || err != nil {
		t.Errorf("find no order: %+v, %v", none, err)
	}
	if none, err := erp.Get(t.Context(), "order", "1"); none != nil || err != nil {
		t.Errorf("get no order: %+v, %v", none, err)
	}
	create(erp, "order", "O1", order("O1"))
	if _, err := erp.Find(t.Context(), "order", "O1"); err == nil || connector.AsError(err).Class != connector.ClassConflict {
		t.Errorf("find two orders: %v", err)
	}
}

func TestPullReadsEveryPageAndThenWhatChanged(t *testing.T) {
	t.Parallel()
	r := start(t, simulator.Config{})
	r.trade()
	const n = 23
	for i := range n {
		r.do(201, "POST", r.ERPURL()+"/orders", order(fmt.Sprint("O", i)))
	}
	for range 6 {
		r.Tick()
	}
	for _, tt := range []struct {
		name, url, stream string
		want              int
	}{
		{"simulator-erp", r.ERPURL(), "order", n},
		{"simulator-finance", r.FinanceURL(), "sale", n},
		{"simulator-finance", r.FinanceURL(), "invoice", n},
		{"simulator-finance", r.FinanceURL(), "receipt", n + n/5},
	} {
		s := r.connect(t, tt.name, tt.url)
		var cursor json.RawMessage
		read := func() (ids map[string]bool) {
			ids = make(map[string]bool)
			for more := true; more; {
				p, err := s.Pull(t.Context(), connector.PullRequest{Stream: tt.stream, Cursor: cursor, Limit: 5})
				if err != nil {
					t.Fatal(err)
				}
				for _, record := range p.Records {
					ids[record.ID] = true
					if record.Version == "" || record.UpdatedAt.IsZero() {
						t.Errorf("%s %s: version %q, updated %v", tt.stream, record.ID, record.Version, record.UpdatedAt)
					}
				}
				if more = p.More; len(p.Cursor) > 0 {
					cursor = p.Cursor
				}
			}
			return ids
		}
		if got := len(read()); got != tt.want {
			t.Errorf("%s: %d records, not %d", tt.stream, got, tt.want)
		}
		if tt.stream != "order" {
			continue
		}
		r.do(201, "POST", r.ERPURL()+"/orders", order("late"))
		if got := read(); !got[fmt.Sprint(500001+n)] {
			t.Errorf("%s: the new one is not read: %v", tt.stream, got)
		}
	}
}

func TestAWriteWithoutAnAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]simulator.Faults{
		"error after": {ErrorAfter: 1}, "connection after": {CloseAfter: 1}, "hang after": {HangAfter: 1, MaxHang: 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, simulator.Config{})
			r.trade()
			s := r.connect(t, "simulator-erp", r.ERPURL())
			r.ERP.SetFaults(faults)
			got := push(t, s, "order", connector.Write{Op: connector.OpCreate, Reference: "O1", Data: document(t, order("O1"))})
			if got.Outcome != connector.Unknown {
				t.Errorf("%+v %v", got, got.Err)
			}
			if n := len(r.ERP.Snapshot().Orders); n != 1 {
				t.Errorf("%d orders are stored, not 1", n)
			}
			found, err := s.Find(t.Context(), "order", "O1")
			if err != nil || found == nil {
				t.Errorf("it is not found: %v", err)
			}
		})
	}
}
