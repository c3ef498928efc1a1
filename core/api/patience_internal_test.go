package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A read that takes too long is given up and says so; what writes is not.
func TestAReadIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{Config: Config{Logger: slog.New(slog.DiscardHandler)}, patience: patience}
		slow := operation{
			needs: need{public: true}, result: &content{mediaType: jsonType},
			serve: func(ctx context.Context, _ *call) (answer, error) {
				select {
				case <-ctx.Done():
					return answer{}, ctx.Err()
				case <-time.After(time.Hour):
					return answer{Status: http.StatusOK}, nil
				}
			},
		}
		for pattern, want := range map[string]int{"GET /slow": http.StatusServiceUnavailable, "POST /slow": http.StatusOK} {
			began := time.Now()
			w := httptest.NewRecorder()
			method, path, _ := strings.Cut(pattern, " ")
			s.handle(route{pattern, slow})(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
			if took := time.Since(began); w.Code != want || want != http.StatusOK && took != patience {
				t.Errorf("%s: %d after %s: %s", pattern, w.Code, took, w.Body)
			}
		}
	})
}
