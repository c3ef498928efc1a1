package matching_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/crm"
	"crmhub/core/hubtest"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/matching"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/pull"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// world is an organization with a connection to a remote, and a process that runs jobs.
type world struct {
	*hubtest.World
	matcher *matching.Matcher
	remote  *hubtest.Remote
}

func newWorld(t testing.TB) *world {
	t.Helper()
	h := hubtest.New(t, hubtest.Both(), hubtest.Streams()...)
	puller := pull.New(pull.Config{
		DB: h.DB, Connections: h.Connections, Revisions: h.Revisions, Entities: h.Entities, Logger: h.Logger, Registerer: prometheus.NewRegistry(),
		PageSize: 2, Backoff: time.Millisecond,
	})
	w := &world{
		matcher: matching.New(matching.Config{DB: h.DB, Connections: h.Connections, Entities: h.Entities, Puller: puller, Logger: h.Logger}),
		remote:  hubtest.NewRemote(),
	}
	w.World = h.World(t, w.remote)
	h.RunJobs(map[job.Kind]job.Work{job.Pull: puller.Run, job.Match: w.matcher.Run})
	return w
}

// start queues a matching.
func (w *world) start(accept bool) (m matching.Matching) {
	w.Helper()
	w.Tx(func(tx pgx.Tx) (err error) {
		m, err = matching.Start(w.Context(), tx, &w.Jobs, w.Connection.ID, "customer", accept)
		return err
	})
	return m
}

// ended is a matching at its end.
func (w *world) ended(m matching.Matching) matching.Matching {
	w.Helper()
	w.Ended(job.Run{ID: m.RunID})
	w.Tx(func(tx pgx.Tx) (err error) {
		m, err = matching.Get(w.Context(), tx, m.ID)
		return err
	})
	return m
}

func (w *world) settle(m matching.Matching, in matching.Decision) (done matching.Done) {
	w.Helper()
	w.Tx(func(tx pgx.Tx) (err error) {
		done, err = w.matcher.Settle(w.Context(), tx, m.ID, in, "")
		return err
	})
	return done
}

func (w *world) proposals(m matching.Matching, state link.ProposalState) (all []link.Proposal) {
	w.Helper()
	w.Tx(func(tx pgx.Tx) error {
		for f := (link.ProposalFilter{Matching: m.ID, State: state, Limit: 3}); ; {
			p, err := link.ListProposals(w.Context(), tx, f)
			if err != nil {
				return err
			}
			all = append(all, p.Items...)
			if f.After = p.Next; f.After == "" {
				return nil
			}
		}
	})
	return all
}

func (w *world) proposal(m matching.Matching, remoteID string) link.Proposal {
	w.Helper()
	for _, p := range w.proposals(m, "") {
		if p.RemoteID == remoteID {
			return p
		}
	}
	w.Fatalf("nothing is proposed for record %s", remoteID)
	return link.Proposal{}
}

// push lets a pusher work until a customer has its record and nothing is due now.
func (w *world) push(id uuid.UUID) {
	w.Helper()
	w.Push(func() bool {
		return w.LinkOf(id).RemoteID != "" && w.Number(`select count(*) from customers c where not exists (
			select from links l where l.entity_id = c.id and (l.remote_id is not null or l.state = 'parked'))`) == 0
	})
}

func (w *world) customer(id uuid.UUID) (c *crm.Customer) {
	w.Helper()
	w.Tx(func(tx pgx.Tx) error {
		found, err := w.Entities.Get(w.Context(), tx, crm.KindCustomer, []uuid.UUID{id})
		c, _ = found[id].(*crm.Customer)
		return err
	})
	return c
}
