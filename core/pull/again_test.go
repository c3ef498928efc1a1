package pull_test

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/link"
)

// push sends a customer as a pusher would: announced, written to the remote, acknowledged.
func (f *fixture) push(c *crm.Customer, becomes connector.Record) {
	f.Helper()
	by := link.Claimant{Connection: f.Connection.ID, Entity: "customer", Worker: 1, Grace: time.Minute}
	f.Tx(func(tx pgx.Tx) error {
		var b pgx.Batch
		announced, err := link.Announce(&b, by, []link.Intent{{EntityID: c.ID, Version: c.Version, Reference: c.Code, Digest: []byte(c.Phone)}})
		if err != nil {
			return err
		}
		if err := tx.SendBatch(f.Context(), &b).Close(); err != nil {
			return err
		}
		f.remote.set("party", becomes)
		agreed, err := json.Marshal(map[string]any{"code": c.Code, "name": c.Name, "phone": c.Phone})
		if err != nil {
			return err
		}
		done := link.Done(announced[c.ID].ID, link.Agreed{
			Version: c.Version, RemoteID: becomes.ID, RemoteVersion: becomes.Version, Snapshot: agreed, Digest: []byte(c.Phone),
		})
		_, err = link.Acknowledge(f.Context(), tx, by.Worker, []link.Outcome{done}, nil)
		return err
	})
}

// TestWhatIsSentWhileAPageIsReadIsNotTurnedBack has somebody save a customer, and a push bring it to the remote, after the remote
// has read its page and before the hub has it.
func TestWhatIsSentWhileAPageIsReadIsNotTurnedBack(t *testing.T) {
	t.Parallel()
	const phone = "+49 30 99999"
	there := func(version, phone, note string) connector.Record {
		r := party(1, "One")
		r.Version, r.Data["phone"], r.Data["note"] = version, phone, note
		return r
	}
	sent := there("2", phone, "")
	for name, meanwhile := range map[string]struct {
		there []connector.Record // after the push
		phone string
		note  string
		read  job.Counts
	}{
		"the record is as it was sent":     {[]connector.Record{sent}, phone, "", job.Counts{Read: 1, Unchanged: 1}},
		"somebody there changed it since":  {[]connector.Record{there("3", phone, "theirs")}, phone, "theirs", job.Counts{Read: 1, Updated: 1}},
		"somebody there has deleted it":    {nil, phone, "", job.Counts{Read: 1}},
		"it was changed in the same field": {[]connector.Record{there("3", "+49 30 55555", "")}, "+49 30 55555", "", job.Counts{Read: 1, Updated: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.process()
			f.remote.set("party", party(1, "One"))
			f.run("customer")

			f.remote.meanwhile = sync.OnceFunc(func() {
				mine := f.Customers()["C0001"]
				mine.Phone = phone
				f.push(f.save(mine), sent)
				f.remote.set("party", meanwhile.there...)
			})
			f.want(f.run("customer"), job.Succeeded, meanwhile.read)
			if c := f.Customers()["C0001"]; c.Phone != meanwhile.phone || c.Remark != meanwhile.note {
				t.Errorf("the phone is %s and the remark %q, not %s and %q", c.Phone, c.Remark, meanwhile.phone, meanwhile.note)
			}
			want := "2"
			if len(meanwhile.there) > 0 {
				want = meanwhile.there[0].Version
			}
			if l := f.link("customer", "1"); l.RemoteVersion != want {
				t.Errorf("the link knows version %s of the record, not %s", l.RemoteVersion, want)
			}
		})
	}
}
