package push_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/bus"
	"crmhub/core/connector"
	"crmhub/core/job"
	"crmhub/core/journey"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/push"
)

func TestJourneyTellsOfEveryCall(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.remote.script = first(committed)
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	b.synced(c)
	c.Name = "two"
	b.save(c)
	b.synced(c)
	var steps []string
	b.tx(func(tx pgx.Tx) error {
		p, err := journey.Read(t.Context(), tx, bus.Topic, journey.Filter{Entity: "customer", EntityID: c.ID})
		for _, s := range p.Items {
			if s.Kind != journey.Pushed {
				continue
			}
			line := fmt.Sprintf("%d %s %s %s", s.Version, s.Action, s.Outcome, s.MappingVersion)
			for _, e := range s.Exchanges {
				line += fmt.Sprintf(" | %s %s", e.Purpose, e.Request)
			}
			steps = append(steps, line)
		}
		return err
	})
	want := []string{
		`1 create unknown v1 | create {"code":"C1","name":"one"}`,
		`1  linked v1 | find `,
		`2 update linked v1 | update {"code":"C1","name":"two"}`,
	}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Error(diff)
	}
}

// stored counts all that a push could write to the store.
func (b *bench) stored() (n int) {
	b.Helper()
	b.tx(func(tx pgx.Tx) error {
		return tx.QueryRow(b.Context(), `select (select count(*) from links) + (select count(*) from dead_letters) + (select count(*) from exchanges)
			+ (select coalesce(sum(version), 0) from customers) + (select coalesce(sum(wanted_version + synced_version), 0) from links)`).Scan(&n)
	})
	return n
}

// readable is a remote that can be asked for a record.
type readable struct{ *remote }

func (r readable) Get(_ context.Context, _, id string) (*connector.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.records[id] == nil {
		return nil, nil
	}
	rec := *r.records[id]
	return &rec, nil
}

func TestDryRunTellsWhatAPushWouldDoAndDoesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream.Get = true
	cs := customers(3)
	cs[2].Name = "unmappable"
	b.save(cs...)
	dry := func(o job.DryOptions) job.DryReport {
		t.Helper()
		calls, stored := b.calls(), b.stored()
		r, err := push.DryRun(t.Context(), push.Config{
			DB: b.db, Principal: postgres.Principal{Organization: b.who.Organization, Actor: postgres.Connection(b.connection)},
			Connection: b.connection, Session: readable{b.remote}, CRM: &b.store, Logger: slog.New(slog.DiscardHandler),
		}, push.Stream{Stream: b.stream, Mapping: names{}}, o)
		if err != nil {
			t.Fatal(err)
		}
		if n := b.calls(); n != calls {
			t.Errorf("%d writes reached the remote", n-calls)
		}
		if n := b.stored(); n != stored {
			t.Errorf("the store changed: %d, then %d", stored, n)
		}
		return r
	}
	r := dry(job.DryOptions{})
	if r.Read != 3 || r.Created != 2 || r.Failed != 1 || r.Next != "" {
		t.Errorf("at first: %+v", r)
	}
	if diff := cmp.Diff([]mapping.Difference{{Pointer: "/code", After: "C000"}, {Pointer: "/name", After: "Customer 0"}}, r.Items[0].Differences); diff != "" {
		t.Error(diff)
	}
	stop := b.run(b.pusher(b.topic))
	b.synced(cs[:2]...)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	cs[0].Name = "another"
	cs[1].Remark = "not mapped"
	b.save(cs[0], cs[1])
	r = dry(job.DryOptions{Limit: 2})
	if r.Updated != 1 || r.Unchanged != 1 || r.Next == "" {
		t.Errorf("then: %+v", r)
	}
	if diff := cmp.Diff([]mapping.Difference{{Pointer: "/name", Before: "Customer 0", After: "another"}}, r.Items[0].Differences); diff != "" {
		t.Error(diff)
	}
	if r = dry(job.DryOptions{Limit: 2, After: r.Next}); r.Read != 1 || r.Failed != 1 {
		t.Errorf("at last: %+v", r)
	}
}
