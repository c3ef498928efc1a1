package hubtest

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/push"
)

// T is what a test and a check of a property are both.
type T interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// World is an organization with a connection, "erp". What goes wrong in it fails T.
type World struct {
	*Hub
	T          T
	Who        postgres.Principal // the hub in it
	Connection connection.Connection
	Patience   time.Duration // how long it waits for what others bring about; 0: two minutes

	session connector.Session
	jobs    map[string]job.Job // "pull customer"
}

// World makes an organization in the hub whose connection leads to session.
func (h *Hub) World(t T, session connector.Session) *World {
	t.Helper()
	w := &World{Hub: h, T: t, Who: postgrestest.Organization(h.TB, h.DB), session: session, jobs: map[string]job.Job{}}
	name := uuid.NewString()
	h.remotes.Store(name, session)
	w.Tx(func(tx pgx.Tx) (err error) {
		w.Connection, err = h.Connections.Add(h.Context(), tx, connection.New{Code: "erp", Name: "ERP", Connector: "test", Config: map[string]any{"remote": name}})
		return err
	})
	return w
}

// Tx runs fn in a transaction of the organization.
func (w *World) Tx(fn func(tx pgx.Tx) error) {
	w.T.Helper()
	if err := w.DB.As(w.Context(), w.Who, fn); err != nil {
		w.T.Fatal(err)
	}
}

// Number is what a query for one number gives.
func (w *World) Number(sql string) (n int) {
	w.T.Helper()
	w.Tx(func(tx pgx.Tx) error { return tx.QueryRow(w.Context(), sql).Scan(&n) })
	return n
}

// IDs are what a query for ids gives.
func (w *World) IDs(sql string) (ids []uuid.UUID) {
	w.T.Helper()
	w.Tx(func(tx pgx.Tx) (err error) {
		rows, _ := tx.Query(w.Context(), sql)
		ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	return ids
}

// Eventually waits for what others bring about.
func (w *World) Eventually(what string, ok func() bool) {
	w.T.Helper()
	patience := w.Patience
	if patience == 0 {
		patience = 2 * time.Minute
	}
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			w.T.Fatal("it did not happen: ", what)
		}
		select {
		case <-w.Context().Done():
			w.T.Fatal(w.Context().Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Save stores customers as a person would.
func (w *World) Save(customers ...*crm.Customer) {
	w.T.Helper()
	batch := make([]crm.Entity, len(customers))
	for i, c := range customers {
		batch[i] = c
	}
	w.Tx(func(tx pgx.Tx) error {
		return w.Entities.Save(w.Context(), tx, crm.By{Actor: w.Who.Actor, Origin: "crm"}, batch)
	})
}

// Customers are all living customers by code.
func (w *World) Customers() map[string]*crm.Customer {
	w.T.Helper()
	all := map[string]*crm.Customer{}
	ids := w.IDs("select id from customers where deleted_at is null")
	w.Tx(func(tx pgx.Tx) error {
		found, err := w.Entities.Get(w.Context(), tx, crm.KindCustomer, ids)
		for _, e := range found {
			c, _ := e.(*crm.Customer)
			all[c.Code] = c
		}
		return err
	})
	return all
}

// LinkOf is the link of a customer.
func (w *World) LinkOf(id uuid.UUID) (l link.Link) {
	w.T.Helper()
	w.Tx(func(tx pgx.Tx) error {
		ref := mapping.Ref{Entity: "customer", ID: id.String()}
		found, err := link.ByEntity(w.Context(), tx, w.Connection.ID, []mapping.Ref{ref})
		l = found[ref]
		return err
	})
	return l
}

// Job is the job of a kind and an entity; it is made when it is asked for first.
func (w *World) Job(kind job.Kind, entity string) job.Job {
	w.T.Helper()
	j, made := w.jobs[string(kind)+" "+entity]
	if !made {
		w.Tx(func(tx pgx.Tx) (err error) {
			j, err = w.Jobs.Create(w.Context(), tx, job.New{ConnectionID: w.Connection.ID, Kind: kind, Entity: entity})
			return err
		})
		w.jobs[string(kind)+" "+entity] = j
	}
	return j
}

// Enqueue asks for a run of a job.
func (w *World) Enqueue(kind job.Kind, entity string, trigger job.Trigger) (r job.Run) {
	w.T.Helper()
	j := w.Job(kind, entity)
	w.Tx(func(tx pgx.Tx) (err error) {
		r, err = job.Enqueue(w.Context(), tx, j.ID, trigger)
		return err
	})
	return r
}

// Get is how a run stands.
func (w *World) Get(r job.Run) (got job.Run) {
	w.T.Helper()
	w.Tx(func(tx pgx.Tx) (err error) {
		got, err = job.GetRun(w.Context(), tx, r.ID)
		return err
	})
	return got
}

// Ended waits until a run has ended.
func (w *World) Ended(r job.Run) job.Run {
	w.T.Helper()
	w.Eventually("the run ends", func() bool { r = w.Get(r); return r.FinishedAt != nil })
	return r
}

// Run has a process run a job to its end.
func (w *World) Run(kind job.Kind, entity string) job.Run {
	w.T.Helper()
	return w.Ended(w.Enqueue(kind, entity, job.ByHand))
}

// Push lets a pusher send customers until done.
func (w *World) Push(done func() bool) {
	w.T.Helper()
	m, _ := w.Revisions.Shipped.For("test", "customer")
	p, err := push.New(push.Config{
		DB: w.DB, Principal: w.Connection.Principal(), Connection: w.Connection.ID, Code: w.Connection.Code, Organization: "test",
		Streams: []push.Stream{{Stream: w.Stream("customer"), Mapping: m}}, Session: w.session, CRM: w.Entities,
		Logger: w.Logger, Metrics: push.NewMetrics(prometheus.NewRegistry()),
	})
	if err != nil {
		w.T.Fatal(err)
	}
	stop := Start(w.TB, p.Run)
	w.Eventually("what is due is pushed", done)
	stop()
}
