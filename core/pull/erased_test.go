package pull_test

import (
	"strings"
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
	f.tx(func(tx pgx.Tx) error {
		if _, err := f.entities.Forget(t.Context(), tx, crm.By{Actor: f.who.Actor, Origin: "crm"}, crm.KindCustomer, []uuid.UUID{id}); err != nil {
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
	before := f.number(`select count(*)::int from exchanges where exchanges is not null`)
	for _, name := range []string{"Zanna Muster", "Zanna Meier"} {
		f.remote.set("party", party(1, name))
		f.run("customer")
		if c := f.customers()["C0001"]; c.ID != id || c.Name != crm.Pseudonym(id) || c.Phone != "" {
			t.Errorf("when the record says %s, the customers are %v", name, f.customers())
		}
		if l := f.link("customer", "1"); strings.Contains(string(l.Snapshot), "Zanna") {
			t.Errorf("the link keeps %s", l.Snapshot)
		}
	}
	if n := f.number(`select count(*)::int from exchanges where exchanges is not null`); n != before {
		t.Errorf("%d bodies more are kept", n-before)
	}
	if open := f.letters(job.Open); len(open) > 0 {
		t.Errorf("there are letters: %+v", open)
	}
}
