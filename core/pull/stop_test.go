package pull_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A hub that is told to stop while it saves how records looked has no fault to tell of.
func TestStopWhileShapesAreSavedIsNoFault(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var lines bytes.Buffer // read once the process has ended
	f.logger = slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelWarn}))
	f.remote.set("party", party(1, "One"))
	p := f.process()
	f.Tx(func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "lock table drift_profiles in exclusive mode"); err != nil {
			return err
		}
		f.enqueue("customer")
		f.Eventually("the shapes are waited for", func() bool {
			waiting := 0
			err := tx.QueryRow(t.Context(), `
				select count(*) from pg_locks where not granted and relation = 'drift_profiles'::regclass`).Scan(&waiting)
			return err == nil && waiting > 0
		})
		p.kill()
		return nil
	})
	if strings.Contains(lines.String(), "how the records looked") {
		t.Errorf("%s", lines.String())
	}
}
