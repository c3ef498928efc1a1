package reconcile_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/connector"
	"crmhub/core/hubtest"
	"crmhub/core/job"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/pull"
	"crmhub/core/reconcile"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// house is a hub with a process that runs jobs; worlds are the organizations in it.
type house struct {
	*hubtest.Hub
	puller     *pull.Puller
	reconciler *reconcile.Reconciler
}

func newHouse(t testing.TB, streams ...connector.Stream) *house {
	t.Helper()
	if len(streams) == 0 {
		streams = hubtest.Streams()
	}
	h := &house{Hub: hubtest.New(t, hubtest.Both(), streams...)}
	h.puller = pull.New(pull.Config{
		DB: h.DB, Connections: h.Connections, Revisions: h.Revisions, Entities: h.Entities, Logger: h.Logger, Registerer: prometheus.NewRegistry(),
		PageSize: 7, Backoff: time.Millisecond,
	})
	h.reconciler = reconcile.New(reconcile.Config{
		DB: h.DB, Connections: h.Connections, Revisions: h.Revisions, Entities: h.Entities, Puller: h.puller, Logger: h.Logger,
	})
	h.RunJobs(map[job.Kind]job.Work{job.Pull: h.puller.Run, job.Reconcile: h.reconciler.Run})
	return h
}

// world is an organization with a connection to a remote of its own.
type world struct {
	*hubtest.World
	reconciler *reconcile.Reconciler
	remote     *hubtest.Remote
}

func (h *house) world(t hubtest.T) *world {
	t.Helper()
	remote := hubtest.NewRemote()
	return &world{h.World(t, remote), h.reconciler, remote}
}

// pull pulls an entity, which must succeed.
func (w *world) pull(entity string) {
	w.T.Helper()
	if r := w.Run(job.Pull, entity); r.Status != job.Succeeded {
		w.T.Fatalf("the pull of %s ended %s: %+v", entity, r.Status, r.Error)
	}
}

// reconcile compares an entity, and returns what came of it with all differences.
func (w *world) reconcile(entity string) (reconcile.Reconciliation, []reconcile.Difference) {
	w.T.Helper()
	return w.result(w.Run(job.Reconcile, entity))
}

// result is what a run came to, with all differences.
func (w *world) result(run job.Run) (reconcile.Reconciliation, []reconcile.Difference) {
	w.T.Helper()
	var r reconcile.Reconciliation
	var all []reconcile.Difference
	w.Tx(func(tx pgx.Tx) (err error) {
		if r, err = reconcile.OfRun(w.Context(), tx, run.ID); err != nil {
			return err
		}
		for f := (reconcile.DifferenceFilter{Limit: 3}); ; {
			p, err := reconcile.Differences(w.Context(), tx, r.ID, f)
			if err != nil {
				return err
			}
			all = append(all, p.Items...)
			if f.After = p.Next; f.After == "" {
				return nil
			}
		}
	})
	return r, all
}

// mend does something about differences, until none is left to look at.
func (w *world) mend(r reconcile.Reconciliation, in reconcile.Errand) reconcile.Done {
	w.T.Helper()
	done, err := w.reconciler.MendAll(w.Context(), w.Who, r.ID, in)
	if err != nil {
		w.T.Fatal(err)
	}
	return done
}

// push lets a pusher work until nothing is due.
func (w *world) push() {
	w.T.Helper()
	w.Push(func() bool {
		return w.Number(`select (select count(*) from links where next_attempt_at is not null)
			+ (select count(*) from customers c where deleted_at is null and not exists (
				select from links l where l.entity_id = c.id and l.wanted_version >= c.version))`) == 0
	})
}
