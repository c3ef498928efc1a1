package pull_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/job"
)

// TestWhatComesForALoserIsTheSurvivors has three customers, each with a record there, merged one into the other.
func TestWhatComesForALoserIsTheSurvivors(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.remote.set("party", parties(3)...)
	f.run("customer")
	all := f.Customers()
	merge := func(loser, survivor string) {
		l, s := all[loser], all[survivor]
		f.Tx(func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), `insert into merge_log (id, entity, survivor_id, loser_id, before, "references", links)
				values ($1, 'customer', $2, $3, '{}', '[]', '[]')`, uuid.New(), s.ID, l.ID)
			if err == nil {
				_, err = f.Entities.DeleteMerged(t.Context(), tx, crm.By{Actor: f.Who.Actor, Origin: "crm"}, crm.KindCustomer, l.ID, l.Version)
			}
			return err
		})
	}
	payers := func() map[string]string {
		of := map[string]string{}
		f.Tx(func(tx pgx.Tx) error {
			rows, _ := tx.Query(t.Context(), "select p.number, c.code from payments p join customers c on c.id = p.customer_id")
			var number, code string
			_, err := pgx.ForEachRow(rows, []any{&number, &code}, func() error {
				of[number] = code
				return nil
			})
			return err
		})
		return of
	}
	merge("C0003", "C0002")
	merge("C0002", "C0001")
	f.remote.set("receipt", receipt(1, "1"), receipt(2, "2"), receipt(3, "3"))
	f.want(f.run("payment"), job.Succeeded, job.Counts{Read: 3, Created: 3})
	for number, code := range payers() {
		if code != "C0001" {
			t.Errorf("payment %s is of %s", number, code)
		}
	}
	if n := len(payers()); n != 3 {
		t.Errorf("%d payments", n)
	}
}
