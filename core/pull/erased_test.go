package pull_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/job"
)

// What was erased here does not come back from a system that still has it, however often that says so, and no copy is kept of what it says.
func TestErasedDoesNotComeBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.remote.set("party", party(1, "Zanna Muster"))
	f.run("customer")
	id := f.link("customer", "1").EntityID
	f.Tx(func(tx pgx.Tx) error {
		if _, err := f.Entities.Forget(t.Context(), tx, crm.By{Actor: f.Who.Actor, Origin: "crm"}, crm.KindCustomer, []uuid.UUID{id}); err != nil {
			return err
		}
		erasure := uuid.New()
		if _, err := tx.Exec(t.Context(), `insert into erasures (id, entity, entity_id, reason) values ($1, 'customer', $2, 'x')`, erasure, id); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `insert into erased (entity, entity_id, erasure_id, version) values ('customer', $1, $2, 2)`, id, erasure)
		if err == nil {
			_, err = tx.Exec(t.Context(), `update links set snapshot = '{}'`)
		}
		return err
	})
	before := f.Number(`select count(*)::int from exchanges where exchanges is not null`)
	for _, name := range []string{"Zanna Muster", "Zanna Meier"} {
		f.remote.set("party", party(1, name))
		f.run("customer")
		if c := f.Customers()["C0001"]; c.ID != id || c.Name != crm.Pseudonym(id) || c.Phone != "" {
			t.Errorf("when the record says %s, the customers are %v", name, f.Customers())
		}
		if l := f.link("customer", "1"); strings.Contains(string(l.Snapshot), "Zanna") {
			t.Errorf("the link keeps %s", l.Snapshot)
		}
	}
	if n := f.Number(`select count(*)::int from exchanges where exchanges is not null`); n != before {
		t.Errorf("%d bodies more are kept", n-before)
	}
	if open := f.letters(job.Open); len(open) > 0 {
		t.Errorf("there are letters: %+v", open)
	}
}

// What records say is in no line of the log, whatever becomes of them.
func TestLogsSayNothingOfRecords(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var lines written
	f.logger = slog.New(slog.NewJSONHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f.process()
	good, broken, refused := party(1, "Zanna One"), party(2, "Zanna Two"), party(3, "Zanna Three")
	broken.Data["phone"] = []any{"Zanna"}
	refused.Data["phone"] = strings.Repeat("Zanna ", 100)
	f.remote.set("party", good, broken, refused)
	if r := f.run("customer"); r.Created != 1 || r.Failed != 2 {
		t.Errorf("the run is %+v", r)
	}
	if text := lines.String(); strings.Contains(text, "Zanna") || !strings.Contains(text, "customer") {
		t.Errorf("the log is %s", text)
	}
}

// written is a buffer that several write to.
type written struct {
	sync.Mutex
	bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.Lock()
	defer w.Unlock()
	return w.Buffer.Write(p)
}

func (w *written) String() string {
	w.Lock()
	defer w.Unlock()
	return w.Buffer.String()
}
