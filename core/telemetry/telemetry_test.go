package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"crmhub/core/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLineCarriesWhatItsContextSays(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := telemetry.NewLogger(&out, telemetry.JSON, slog.LevelInfo).With("connection", "erp")
	ctx := telemetry.With(t.Context(), slog.String("request", "r1"))
	sibling := telemetry.With(ctx, slog.String("job", "j1"))
	_ = telemetry.With(ctx, slog.String("job", "j2"))
	logger.InfoContext(sibling, "done", "run", 7)
	logger.DebugContext(sibling, "unseen")

	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	want := map[string]any{"level": "INFO", "msg": "done", "connection": "erp", "request": "r1", "job": "j1", "run": 7.0}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTextLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	telemetry.NewLogger(&out, telemetry.Text, slog.LevelInfo).Info("done", "run", 7)
	if !strings.HasSuffix(out.String(), "level=INFO msg=done run=7\n") {
		t.Errorf("got %q", out.String())
	}
}

func TestTraceParent(t *testing.T) {
	t.Parallel()
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for in, want := range map[string]telemetry.TraceParent{
		good:                       good,
		"cc" + good[2:] + "-later": good,
		"":                         "",
		good + "-x":                "",
		"ff" + good[2:]:            "",
		strings.ToUpper(good):      "",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": "",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01": "",
		"cc" + good[2:] + "x": "",
	} {
		got, ok := telemetry.ParseTraceParent(in)
		if got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v", in, got, ok)
		}
	}
	started := telemetry.NewTraceParent()
	if again, ok := telemetry.ParseTraceParent(string(started)); !ok || again != started || len(started.TraceID()) != 32 {
		t.Errorf("a new trace %q cannot be read back", started)
	}
}

func FuzzParseTraceParent(f *testing.F) {
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Fuzz(func(t *testing.T, s string) {
		if got, ok := telemetry.ParseTraceParent(s); ok {
			if again, ok := telemetry.ParseTraceParent(string(got)); !ok || again != got {
				t.Errorf("%q became %q, which is none", s, got)
			}
		}
	})
}

func TestMetricsTellTheBuild(t *testing.T) {
	t.Parallel()
	w := get(t, telemetry.MetricsHandler(telemetry.NewRegistry("1.2.3")))
	if !strings.Contains(w.Body.String(), `crmhub_build_info{version="1.2.3"} 1`) || !strings.Contains(w.Body.String(), "go_goroutines") {
		t.Errorf("got %s", w.Body)
	}
}

func TestAlive(t *testing.T) {
	t.Parallel()
	w := get(t, telemetry.AliveHandler())
	if got := w.Body.String(); w.Code != http.StatusOK || got != `{"status":"ok"}`+"\n" {
		t.Errorf("got %d %s", w.Code, got)
	}
}

func TestReadyNamesEachCheck(t *testing.T) {
	t.Parallel()
	good := func(context.Context) error { return nil }
	bad := func(context.Context) error { return errors.New("no leader") }
	for _, tc := range []struct {
		database, broker telemetry.Check
		status           int
		body             string
	}{
		{good, good, 200, `{"status":"ok","checks":{"broker":"ok","database":"ok"}}`},
		{bad, good, 503, `{"status":"unavailable","checks":{"broker":"ok","database":"no leader"}}`},
		{good, bad, 200, `{"status":"ok","checks":{"broker":"no leader","database":"ok"}}`},
	} {
		w := get(t, telemetry.ReadyHandler(map[string]telemetry.Check{"database": tc.database}, map[string]telemetry.Check{"broker": tc.broker}))
		if got := strings.TrimSpace(w.Body.String()); w.Code != tc.status || got != tc.body {
			t.Errorf("got %d %s, want %d %s", w.Code, got, tc.status, tc.body)
		}
	}
}

func TestReadyDoesNotWaitForACheckThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hangs := func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		w := get(t, telemetry.ReadyHandler(map[string]telemetry.Check{"broker": hangs}, nil))
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"broker":"context deadline exceeded"`) {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}

func get(t *testing.T, h http.Handler) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", io.NopCloser(strings.NewReader(""))))
	return w
}
