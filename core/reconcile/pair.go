package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Pair is an entity and a record that somebody says are one.
type Pair struct {
	Connection uuid.UUID
	Entity     string
	EntityID   uuid.UUID
	RemoteID   string
}

// askTimeout is the longest that somebody waits for the other system.
const askTimeout = 20 * time.Second

// Ask reads the record of a pair from its system; nil where records cannot be read one by one. What makes the pair impossible
// is reported as [schema.Violations]: no such connection, kind or record, or a system that does not answer.
func (r *Reconciler) Ask(ctx context.Context, who postgres.Principal, p Pair) (*connector.Record, error) {
	c, err := postgres.Get(ctx, r.DB, who, func(tx pgx.Tx) (connection.Connection, error) { return r.connectionOf(ctx, tx, p) })
	if err != nil {
		return nil, err
	}
	streams := r.Connections.Streams(c)
	stream := streams[slices.IndexFunc(streams, func(s connector.Stream) bool { return s.Entity == p.Entity })]
	if !stream.Get {
		return nil, nil
	}
	session, err := r.Connections.Open(c)
	if err != nil {
		return nil, noAnswer("the connection cannot be opened")
	}
	defer func() { _ = session.Close() }() // it was only read
	getter, ok := session.(connector.Getter)
	if !ok {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	record, err := getter.Get(ctx, stream.Record, p.RemoteID)
	switch {
	case err != nil:
		return nil, noAnswer(connector.AsError(err).Error())
	case record == nil || record.Deleted:
		return nil, schema.Violations{{Pointer: "/remote_id", Rule: "exists", Message: "there is no such record"}}
	}
	return record, nil
}

func noAnswer(why string) schema.Violations {
	return schema.Violations{{Pointer: "/remote_id", Rule: "exists", Message: "the system cannot be asked for the record: " + why}}
}

func (r *Reconciler) connectionOf(ctx context.Context, tx pgx.Tx, p Pair) (connection.Connection, error) {
	all, err := r.Connections.List(ctx, tx)
	if err != nil {
		return connection.Connection{}, err
	}
	i := slices.IndexFunc(all, func(c connection.Connection) bool { return c.ID == p.Connection })
	if i < 0 {
		return connection.Connection{}, schema.Violations{{Pointer: "/connection_id", Rule: "exists", Message: "there is no such connection"}}
	}
	streams := r.Connections.Streams(all[i])
	if !slices.ContainsFunc(streams, func(s connector.Stream) bool { return s.Entity == p.Entity }) {
		return all[i], schema.Violations{{Pointer: "/entity", Rule: "stream", Message: "the connector " + all[i].Connector + " does not know this entity"}}
	}
	return all[i], nil
}

// Connect links a pair, and merges its record if that is known. Errors: [schema.Violations], [link.TakenError], [link.ErrBusy].
func (r *Reconciler) Connect(ctx context.Context, tx pgx.Tx, p Pair, record *connector.Record) (l link.Link, err error) {
	c, err := r.connectionOf(ctx, tx, p)
	if err != nil {
		return l, err
	}
	stored, err := r.Entities.Get(ctx, tx, crm.Kind(p.Entity), []uuid.UUID{p.EntityID})
	if err != nil {
		return l, err
	}
	if e := stored[p.EntityID]; e == nil || crm.HeadOf(e).DeletedAt != nil {
		return l, schema.Violations{{Pointer: "/entity_id", Rule: "exists", Message: "there is no such " + p.Entity}}
	}
	if l, err = link.Connect(ctx, tx, p.Connection, p.Entity, p.EntityID, p.RemoteID); err != nil || record == nil {
		return l, err
	}
	err = postgres.AsHub(ctx, tx, func() error { // what comes in is the connection's
		faults, err := r.Puller.Bring(ctx, tx, c, p.Entity, []connector.Record{*record}, nil)
		if err == nil && faults[0] != nil {
			err = schema.Violations{{Pointer: "/remote_id", Rule: "mapping", Message: "the record cannot be brought in: " + faults[0].Error()}}
		}
		return err
	})
	if err != nil {
		return l, fmt.Errorf("link %s %s: %w", p.Entity, p.EntityID, err)
	}
	return link.Get(ctx, tx, l.ID)
}
