package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/job"
	"crmhub/core/postgres"
	"crmhub/core/pull"
	"crmhub/core/push"
	"crmhub/core/revision"
)

// dryRuns tell what jobs would do.
func dryRuns(db *postgres.DB, connections *connection.Store, revisions *revision.Store, puller *pull.Puller, logger *slog.Logger) map[job.Kind]job.DryRun {
	pushing := func(ctx context.Context, who postgres.Principal, j job.Job, o job.DryOptions) (report job.DryReport, err error) {
		var conn connection.Connection
		var streams []push.Stream
		err = db.As(ctx, postgres.Principal{Organization: who.Organization, Actor: postgres.Connection(j.ConnectionID)}, func(tx pgx.Tx) (err error) {
			if conn, err = connections.Get(ctx, tx, j.ConnectionID); err != nil {
				return err
			}
			streams, err = pushed(ctx, tx, revisions, conn)
			return err
		})
		if err != nil {
			return report, err
		}
		for _, s := range streams {
			if s.Entity != j.Entity {
				continue
			}
			if s.Unfit != nil {
				return report, s.Unfit
			}
			session, err := connections.Open(conn)
			if err != nil {
				return report, err
			}
			report, err = push.DryRun(ctx, push.Config{
				DB: db, Principal: conn.Principal(), Connection: conn.ID, Code: conn.Code, Session: session, CRM: revisions.CRM, Logger: logger,
			}, s, o)
			return report, errors.Join(err, session.Close())
		}
		return report, fmt.Errorf("connection %s has no mapping by which a %s is pushed", conn.Code, j.Entity)
	}
	return map[job.Kind]job.DryRun{job.Pull: puller.DryRun, job.Push: pushing}
}

// pushed are what a connection can be pushed and has a mapping for, with the mappings that hold now, those too that fit no more.
func pushed(ctx context.Context, tx pgx.Tx, revisions *revision.Store, c connection.Connection) (streams []push.Stream, err error) {
	for _, s := range revisions.Connections.Streams(c) {
		if !s.Push {
			continue
		}
		m, _, err := revisions.Live(ctx, tx, c, s.Entity)
		if revision.Misfit(err) {
			streams = append(streams, push.Stream{Stream: s, Unfit: err})
			continue
		}
		if err != nil {
			return nil, err
		}
		if m != nil && m.Record() == s.Record {
			streams = append(streams, push.Stream{Stream: s, Mapping: m})
		}
	}
	return streams, nil
}

// printDry prints what a dry run found.
func printDry(out output, r job.DryReport) {
	for _, i := range r.Items {
		what := i.RemoteID
		if i.EntityID != nil {
			what = i.EntityID.String() + " " + what
		}
		fmt.Fprintf(out.stdout, "%s %s\n", i.Action, what)
		for _, d := range i.Differences {
			fmt.Fprintf(out.stdout, "  %s: %v → %v\n", d.Pointer, d.Before, d.After)
		}
		if i.Message != "" {
			fmt.Fprintf(out.stdout, "  %s\n", i.Message)
		}
	}
	fmt.Fprintf(out.stdout, "%d read; would be: %d created, %d updated, %d deleted, %d unchanged, %d waiting, %d failed\n",
		r.Read, r.Created, r.Updated, r.Deleted, r.Unchanged, r.Waiting, r.Failed)
}
