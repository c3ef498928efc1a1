package console_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/alert"
)

func TestWhatIsWorthAnAlertIsSet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.get("/sync/alerts").wants(t, http.StatusOK, `name="lag_minutes" value="10"`, `name="watched" value="push_lag" checked`)
	s.do(http.MethodPost, "/sync/alerts/settings", form("lag_minutes", "0", "dead_letters", "many", "conflicts", "3")).wants(t, http.StatusUnprocessableEntity,
		`name="dead_letters" value="many"`, `aria-invalid="true"`, `name="watched" value="push_lag">`)
	watched := []string{"lag_minutes", "30", "dead_letters", "5", "conflicts", "3"}
	for _, k := range alert.Kinds {
		if k != alert.PushLag {
			watched = append(watched, "watched", string(k))
		}
	}
	s.post("/sync/alerts/settings", watched...)
	var got alert.Settings
	s.tx(func(tx pgx.Tx) (err error) {
		got, err = alert.GetSettings(t.Context(), tx)
		return err
	})
	if diff := cmp.Diff(alert.Settings{LagMinutes: 30, DeadLetters: 5, Conflicts: 3, Muted: []alert.Kind{alert.PushLag}}, got); diff != "" {
		t.Error(diff)
	}
}
