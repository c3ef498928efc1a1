package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"crmhub/core/crm"
	"crmhub/core/reconcile"
)

// TestTheReportIsTheTruth lets both sides go apart at random, and compares what a reconciliation says with what was done.
// Everything is mended then, and the next reconciliation is green.
func TestTheReportIsTheTruth(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	seed := 0
	rapid.Check(t, func(rt *rapid.T) {
		if seed++; seed > 12 { // each is an organization with runs and pushes of its own
			return
		}
		w := h.world(rt)
		n := rapid.IntRange(8, 30).Draw(rt, "n")
		for i := range n {
			w.remote.Put("party", "", map[string]any{"code": code(i), "name": fmt.Sprint("Customer ", i), "phone": "+49 30 1234567"})
		}
		w.pull("customer")
		truth := w.diverge(rt, n)

		r, found := w.reconcile("customer")
		if diff := cmp.Diff(truth.differences(), kindsOf(found)); diff != "" {
			rt.Fatalf("truth (-) and report (+):\n%s", diff)
		}
		want := reconcile.Differs
		if len(truth) == 0 {
			want = reconcile.Equal
		}
		if r.Verdict != want || r.Counts.Theirs != int64(len(w.remote.All("party"))) || r.Counts.Ours != int64(len(w.Customers())) {
			rt.Fatalf("%d entities and %d records: %+v", len(w.Customers()), len(w.remote.All("party")), r)
		}

		w.mendAll(rt, r, found)
		w.push()
		again, left := w.reconcile("customer")
		if again.Verdict != reconcile.Equal || len(left) > 0 || again.Counts.Equal != again.Counts.Theirs || again.Counts.Theirs != again.Counts.Ours {
			rt.Fatalf("after mending: %+v\n%+v", again, left)
		}
	})
}

func code(i int) string { return fmt.Sprintf("C%04d", i) }

// truth is how sides differ, by code.
type truth map[string]reconcile.Kind

func (t truth) differences() []string {
	all := make([]string, 0, len(t))
	for code, kind := range t {
		all = append(all, fmt.Sprint(code, " ", kind))
	}
	slices.Sort(all)
	return all
}

// kindsOf are differences in the form of a truth. Of a pair and its duplicate the order is the remote's.
func kindsOf(found []reconcile.Difference) []string {
	all := make([]string, len(found))
	for i, d := range found {
		title := d.Title
		if d.Kind == reconcile.Duplicate {
			title += " twice"
		}
		all[i] = fmt.Sprint(title, " ", d.Kind)
	}
	slices.Sort(all)
	return all
}

// diverge changes about half of what is linked on one side or both, and adds what is on one side only.
func (w *world) diverge(rt *rapid.T, n int) truth {
	t := truth{}
	ours, records := w.Customers(), w.remote.All("party")
	byCode := map[string]string{}
	for id, r := range records {
		c, _ := r.Data["code"].(string)
		byCode[c] = id
	}
	removed := 0
	for i := range n {
		c, id := ours[code(i)], byCode[code(i)]
		data := maps.Clone(records[id].Data)
		switch rapid.SampledFrom([]string{
			"leave", "leave", "leave", "leave", "record gone", "entity gone", "both gone", "record changed", "entity changed", "both changed", "twice", "broken",
		}).Draw(rt, "what") {
		case "record gone":
			if removed++; removed*2 >= n { // else it is suspect
				continue
			}
			w.remote.Remove("party", id)
			t[c.Code] = reconcile.MissingThere
		case "entity gone":
			w.delete(c)
			t[c.Code] = reconcile.MissingHere
		case "both gone":
			if removed++; removed*2 >= n {
				continue
			}
			w.remote.Remove("party", id)
			w.delete(c)
		case "record changed":
			data["name"] = "Other there"
			w.remote.Put("party", id, data)
			t[c.Code] = reconcile.Different
		case "entity changed":
			c.Phone = "+49 40 7654321"
			w.Save(c)
			t[c.Code] = reconcile.Different
		case "both changed":
			c.Name, data["phone"] = "Other here", nil
			w.Save(c)
			w.remote.Put("party", id, data)
			t[c.Code] = reconcile.Different
		case "twice":
			w.remote.Put("party", "", data)
			t[c.Code+" twice"] = reconcile.Duplicate
		case "broken":
			data["name"] = "" // against its schema
			w.remote.Put("party", id, data)
			t[c.Code] = reconcile.Unreadable
		}
	}
	for i := range rapid.IntRange(0, 4).Draw(rt, "new") {
		data := map[string]any{"code": fmt.Sprintf("N%04d", i), "name": "New"}
		switch rapid.SampledFrom([]string{"here", "there", "both"}).Draw(rt, "where") {
		case "here":
			w.Save(&crm.Customer{Code: fmt.Sprintf("N%04d", i), Name: "New"})
			t[fmt.Sprintf("N%04d", i)] = reconcile.MissingThere
		case "there":
			w.remote.Put("party", "", data)
			t[fmt.Sprintf("N%04d", i)] = reconcile.MissingHere
		case "both":
			w.Save(&crm.Customer{Code: fmt.Sprintf("N%04d", i), Name: "New"})
			w.remote.Put("party", "", data)
			t[fmt.Sprintf("N%04d", i)] = reconcile.Unlinked
		}
	}
	return t
}

func (w *world) delete(c *crm.Customer) {
	w.T.Helper()
	w.Tx(func(tx pgx.Tx) error {
		_, err := w.Entities.Delete(w.Context(), tx, crm.By{Actor: w.Who.Actor, Origin: "crm"}, crm.KindCustomer, c.ID, c.Version)
		return err
	})
}

// mendAll mends every difference by one of the ways it can be mended; what only the other side can mend is mended there.
func (w *world) mendAll(rt *rapid.T, r reconcile.Reconciliation, found []reconcile.Difference) {
	for _, d := range found {
		switch d.Kind {
		case reconcile.Duplicate:
			w.remote.Remove("party", d.RemoteID)
			continue
		case reconcile.Unreadable:
			data := maps.Clone(w.remote.All("party")[d.RemoteID].Data)
			data["name"] = "Customer " + strings.TrimLeft(strings.TrimPrefix(d.Title, "C"), "0")
			if d.Title == code(0) {
				data["name"] = "Customer 0"
			}
			w.remote.Put("party", d.RemoteID, data)
			continue
		}
		actions := slices.DeleteFunc(d.Actions(), func(a reconcile.Action) bool { return a == reconcile.Ignore || a == reconcile.Unlink })
		done := w.mend(r, reconcile.Errand{Action: rapid.SampledFrom(actions).Draw(rt, "mend"), IDs: []uuid.UUID{d.ID}})
		if done.Done != 1 {
			rt.Fatalf("%+v of %+v", done, d)
		}
	}
}
