package api

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestPanicIsAnAnswerAndALogLine(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := &server{
		Config: Config{Logger: slog.New(slog.NewTextHandler(&log, nil))},
		mux:    http.NewServeMux(), metrics: newMetrics(prometheus.NewRegistry()), now: time.Now,
	}
	s.mux.HandleFunc("GET /api/v1/boom", func(http.ResponseWriter, *http.Request) { panic("boom at 4711") })
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/boom", nil))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "at 4711") || !strings.Contains(w.Body.String(), "urn:crmhub:request:") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "boom at 4711") || !strings.Contains(log.String(), "status=500") {
		t.Errorf("the log says\n%s", log.String())
	}
}
