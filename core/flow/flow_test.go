package flow_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/flow"
	"crmhub/core/job"
)

// run is an ended run of a job; at is when it was queued and ended.
func (f *fixture) run(j job.Job, status, purpose string, at time.Time) uuid.UUID {
	f.Helper()
	id := uuid.New()
	f.sql(`insert into runs (id, job_id, cause, status, purpose, queued_at, started_at, finished_at) values ($1, $2, 'schedule', $3, $4, $5, $5, $5)`, id, j.ID, status, purpose, at)
	return id
}

func (f *fixture) state(code, entity string, direction job.Kind) flow.State {
	f.Helper()
	for _, c := range f.read() {
		i := slices.IndexFunc(c.Flows, func(one flow.Flow) bool { return one.Entity == entity && one.Direction == direction })
		if c.Code == code && i >= 0 {
			return c.Flows[i].State
		}
	}
	f.Fatalf("no %s of %s over %s", direction, entity, code)
	return ""
}

func TestFlowsAreReadFromWhatIsStored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if none := f.read(); len(none) != 0 {
		t.Errorf("flows without a connection: %v", none)
	}
	erp := f.connect("erp")
	f.connect("shop")
	j := f.pulls(erp, "order", "@every 1h")
	made := f.now.Add(-90 * time.Minute).UTC().Truncate(time.Microsecond)
	changed := made.Add(-time.Hour)
	known, fresh := uuid.New(), uuid.New()
	// One order waits since it was made, another since its second version, whose first the other side has; a third is agreed on, a
	// fourth has failed for good.
	f.sql(`insert into links (id, connection_id, entity, entity_id, state, wanted_version, synced_version, next_attempt_at, created_at) values
		($1, $2, 'order', $1, 'pending', 1, 0, now(), $4), ($3, $2, 'order', $3, 'parked', 3, 1, now() + interval '1 hour', $4),
		($5, $2, 'order', $5, 'linked', 1, 1, null, $4), ($6, $2, 'order', $6, 'failed', 1, 0, null, $4)`, fresh, erp.ID, known, made, uuid.New(), uuid.New())
	f.system(`insert into publications (organization_id, entity, entity_id, version, partition, position, at) values
		($1, 'order', $2, 1, 0, 1, $3::timestamptz - interval '1 day'), ($1, 'order', $2, 2, 0, 2, $3), ($1, 'order', $2, 3, 0, 3, now())`, f.who.Organization, known, changed)
	f.sql(`insert into exchanges (entity, entity_id, at, connection_id, direction, version, outcome)
		select 'order', gen_random_uuid(), now() - a, $1, d, 1, o
		from (values (interval '1 minute', 'push', 'linked'), ('1 minute', 'push', 'parked'), ('2 hours', 'push', 'linked'), ('25 hours', 'push', 'linked'), ('1 minute', 'pull', 'updated')) v (a, d, o)`, erp.ID)
	f.sql(`insert into dead_letters (id, connection_id, direction, entity, entity_id, stage, class, message, fingerprint, status)
		values ($1, $2, 'push', 'customer', $1, 'remote', 'data', 'no', 'f', 'open'), ($3, $2, 'push', 'customer', $3, 'remote', 'data', 'no', 'f', 'resolved')`, uuid.New(), erp.ID, uuid.New())
	good := f.now.Add(-20 * time.Minute).UTC().Truncate(time.Microsecond)
	f.run(j, "succeeded", "regular", good)
	newest := f.run(j, "succeeded", "replay", f.now.Add(-time.Minute))
	f.sql(`update jobs set updated_at = now() - interval '1 day'`)
	f.sql(`update connections set updated_at = now() - interval '1 day'`)

	due := good.Add(time.Hour)
	want := []flow.Flows{
		{
			ID: erp.ID, Code: "erp", Name: "The erp", Connector: "stub", Status: connection.Active, Breaker: connection.Closed, Hold: connection.Breaker{State: connection.Closed},
			Flows: []flow.Flow{
				{Entity: "customer", Direction: job.Push, State: flow.Failing, Letters: 1, Push: &flow.Push{}},
				{Entity: "order", Direction: job.Push, State: flow.Flowing, LastHour: 1, LastDay: 2, Push: &flow.Push{Waiting: 2, Since: &changed}},
				{
					Entity: "order", Direction: job.Pull, State: flow.Flowing, LastHour: 1, LastDay: 1,
					Pull: &flow.Pull{JobID: j.ID, Schedule: "@every 1h", GoodAt: &good, DueAt: &due, RunID: &newest, Run: job.Succeeded},
				},
			},
		},
		{
			Code: "shop", Name: "The shop", Connector: "stub", Status: connection.Active, Breaker: connection.Closed, Hold: connection.Breaker{State: connection.Closed},
			Flows: []flow.Flow{
				{Entity: "customer", Direction: job.Push, State: flow.Flowing, Push: &flow.Push{}}, {Entity: "order", Direction: job.Push, State: flow.Flowing, Push: &flow.Push{}},
			},
		},
	}
	got := f.read()
	want[1].ID = got[1].ID
	if diff := cmp.Diff(want, got, cmpopts.EquateApproxTime(time.Second)); diff != "" {
		t.Error(diff)
	}
	if got[0].State() != flow.Failing || got[1].State() != flow.Flowing {
		t.Errorf("the connections are %s and %s", got[0].State(), got[1].State())
	}
}

// TestPullsAreOverdueByTheirSchedule walks through a pull's day: due, late, executing, failed, held, paused.
func TestPullsAreOverdueByTheirSchedule(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	erp := f.connect("erp")
	j := f.pulls(erp, "order", "@every 1h")
	began := f.now
	at := func(minutes int, want flow.State) {
		t.Helper()
		f.now = began.Add(time.Duration(minutes) * time.Minute)
		if got := f.state("erp", "order", job.Pull); got != want {
			t.Errorf("after %d minutes it is %s, want %s", minutes, got, want)
		}
	}
	at(65, flow.Flowing) // it was made at the beginning, and is due after an hour
	at(75, flow.Overdue)
	running := f.run(j, "running", "regular", began)
	f.sql(`update runs set progress_at = now(), finished_at = null where id = $1`, running)
	at(75, flow.Flowing)
	f.sql(`update runs set progress_at = now() - interval '11 minutes' where id = $1`, running)
	at(75, flow.Overdue) // it does not move
	f.sql(`update runs set status = 'failed', finished_at = now() where id = $1`, running)
	at(75, flow.Failing)
	f.run(j, "succeeded", "regular", began.Add(time.Minute))
	at(60, flow.Flowing)
	at(75, flow.Overdue)
	f.sql(`insert into breakers (connection_id, state) values ($1, 'open')`, erp.ID)
	at(75, flow.Held)
	f.sql(`update breakers set state = 'closed'`)
	f.tx(func(tx pgx.Tx) error {
		_, err := f.store.Jobs.Pause(t.Context(), tx, j.ID)
		return err
	})
	at(75, flow.Paused)
	by := f.pulls(f.connect("shop"), "order", "")
	f.now = began.AddDate(1, 0, 0)
	if got := f.state("shop", "order", job.Pull); got != flow.Flowing || by.Schedule != "" {
		t.Errorf("what runs when somebody asks is %s", got)
	}
}
