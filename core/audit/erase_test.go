package audit

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/outbox"
)

// What is erased leaves the trail, and the trail holds and says so. Who takes something out without a word is found.
func TestErasedDetailsLeaveTheTrailWhole(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	person, other := uuid.New(), uuid.New()
	o.append(o.change(person, 1, "created"), o.change(other, 1, "created"))
	o.append(outbox.Change{Entity: "order", EntityID: person, Version: 2, Type: "updated", Origin: "crm", Data: []byte(`{}`), Diff: []byte(`{"status":["a","b"],"name":["",null]}`)})
	o.seal(3)
	o.as(func(tx pgx.Tx) error {
		n, err := Erase(t.Context(), tx, uuid.New(), []Subject{{Entity: "order", ID: person, Fields: []string{"name", "remark"}}})
		if n != 2 {
			t.Errorf("%d entries are erased", n)
		}
		return err
	})
	want := Report{Intact: true, Entries: 3, Last: 3, Erased: 2}
	for _, sealed := range []int{0, 1} { // the entry that says so may not be sealed yet
		o.seal(sealed)
		want.Entries, want.Last = want.Entries+int64(sealed), want.Last+int64(sealed)
		got := o.verify(Range{})
		want.Hash = got.Hash
		if got != want {
			t.Errorf("with %d more: got %+v (%+v), want %+v", sealed, got, got.Fault, want)
		}
	}
	for _, e := range o.trail()[:3] {
		if erased := e.EntityID != nil && *e.EntityID == person; erased != (len(e.Detail) == 0) || erased != (e.ErasedAt != nil) || erased != (e.Salt == nil) {
			t.Errorf("entry %d is %+v", e.Number, e)
		}
	}
	for name, sql := range map[string]string{
		"taken out":           "update audit_log set detail = null where number = 2",
		"erased without word": "update audit_log set detail = null, salt = null, erased_at = now() where number = 2",
		"put back":            `update audit_log set detail = '{"name":"x"}' where number = 1`,
		"another detail":      `update audit_log set detail = '{"name":"x"}' where number = 2`,
		"another digest":      "update audit_log set digest = sha256('x') where number = 1",
	} {
		r := o.tampered(t, func(ctx context.Context, tx pgx.Tx) error { return asSuperuser(ctx, tx, sql) })
		if r.Fault == nil || r.Fault.Kind != Changed {
			t.Errorf("%s: found %+v", name, r.Fault)
		}
	}
}
