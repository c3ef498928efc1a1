package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/postgres"
	"crmhub/core/reconcile"
	"crmhub/core/schema"
)

type reconcileCommand struct {
	Run    reconcileRun    `cmd:"" help:"Compare both sides now and say what differs. A hub must be running: it does the work."`
	Show   reconcileShow   `cmd:"" help:"Show the latest reconciliation of an entity, or one by its id, with its differences."`
	Mend   reconcileMend   `cmd:"" help:"Mend differences: push ours, pull theirs, link, unlink, or ignore for a reason."`
	Report reconcileReport `cmd:"" help:"Write the signed report of a reconciliation as JSON lines."`
	Verify reconcileVerify `cmd:"" help:"Check the signature of a report. It needs no database."`
	Key    reconcileKey    `cmd:"" help:"Print the public key of this installation, for who verifies its reports."`
}

type reconcileRun struct {
	Connection string `arg:"" help:"The connection."`
	Entity     string `arg:"" help:"What to compare, such as order."`
	JSON       bool   `help:"Print the reconciliation as JSON."`
}

// Run queues the comparison, waits for its end and prints what came of it. It fails unless both sides are equal.
func (c *reconcileRun) Run(ctx context.Context, cfg *Config, out output) (err error) {
	if err := hubRuns(cfg); err != nil {
		return err
	}
	s, conn, err := openConnection(ctx, cfg, out, c.Connection)
	if err != nil {
		return err
	}
	defer s.closeInto(ctx, &err)
	run, err := postgres.Get(ctx, s.db, s.who, func(tx pgx.Tx) (job.Run, error) { return s.jobs.EnqueueKind(ctx, tx, conn.ID, job.Reconcile, c.Entity) })
	if err != nil {
		return err
	}
	quiet := output{stdout: io.Discard, stderr: out.stderr}
	_, ended := s.follow(ctx, run, quiet)
	r, err := postgres.Get(ctx, s.db, s.who, func(tx pgx.Tx) (reconcile.Reconciliation, error) { return reconcile.OfRun(ctx, tx, run.ID) })
	if err != nil || r.FinishedAt == nil {
		return errors.Join(ended, err)
	}
	if err := printReconciliation(out.stdout, r, conn, c.JSON); err != nil || ended != nil {
		return errors.Join(ended, err)
	}
	if r.Verdict != reconcile.Equal {
		return fmt.Errorf("the two sides differ: crmhub reconcile show %s", r.ID)
	}
	return nil
}

// printReconciliation prints counts and sums.
func printReconciliation(to io.Writer, r reconcile.Reconciliation, conn connection.Connection, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(to).Encode(r)
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s on %s: %s\n%s, mapping %s\n", r.Entity, conn.Code, r.Verdict, r.StartedAt.UTC().Format(time.DateTime+" UTC"), r.MappingVersion)
	if r.Message != "" {
		fmt.Fprintln(w, r.Message)
	}
	n := r.Counts
	fmt.Fprintf(w, "\n%d here\t%d there\t%d equal\n", n.Ours, n.Theirs, n.Equal)
	for _, line := range []struct {
		what string
		n    int64
	}{
		{"missing here", n.MissingHere},
		{"missing there", n.MissingThere},
		{"different", n.Different},
		{"not linked", n.Unlinked},
		{"there twice", n.Duplicate},
		{"unreadable", n.Unreadable},
		{"changed meanwhile", n.Moving},
		{"of these ignored", n.Ignored},
	} {
		if line.n > 0 {
			fmt.Fprintf(w, "%d\t%s\n", line.n, line.what)
		}
	}
	if len(r.Sums) > 0 {
		fmt.Fprintln(w, "\nMONTH\tCURRENCY\tHERE\tTHERE\tNUMBER HERE\tNUMBER THERE\t")
	}
	for _, s := range r.Sums {
		equal := "equal"
		if !s.Equal {
			equal = "DIFFERENT by " + s.Ours.Sub(s.Theirs).String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", s.Month, s.Currency, s.Ours, s.Theirs, s.OursCount, s.TheirsCount, equal)
	}
	return w.Flush()
}

// which names a reconciliation: by its id, or as the latest of an entity on a connection.
type which struct {
	What   string `arg:"" help:"The id of a reconciliation, or a connection."`
	Entity string `arg:"" optional:"" help:"With a connection: what was compared."`
}

func (c which) find(ctx context.Context, s *session) (r reconcile.Reconciliation, conn connection.Connection, err error) {
	if id, parsed := uuid.Parse(c.What); parsed == nil && c.Entity == "" {
		err = s.db.As(ctx, s.who, func(tx pgx.Tx) error {
			if r, err = reconcile.Get(ctx, tx, id); err != nil {
				return err
			}
			conn, err = s.connections.Get(ctx, tx, r.ConnectionID)
			return err
		})
		return r, conn, err
	}
	if c.Entity == "" {
		return r, conn, fmt.Errorf("%q is no reconciliation's id; with a connection, name an entity", c.What)
	}
	if conn, err = s.connection(ctx, c.What); err != nil {
		return r, conn, err
	}
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) error {
		latest, err := reconcile.List(ctx, tx, reconcile.Filter{Connection: conn.ID, Entity: c.Entity, Limit: 1})
		if err == nil && len(latest.Items) == 0 {
			err = fmt.Errorf("%s was never reconciled with %s", c.Entity, c.What)
		}
		if err == nil {
			r = latest.Items[0]
		}
		return err
	})
	return r, conn, err
}

type reconcileShow struct {
	which

	JSON bool `help:"Print the reconciliation and each difference as a line of JSON."`
}

// Run prints counts, sums and differences.
func (c *reconcileShow) Run(ctx context.Context, s *session, out output) error {
	r, conn, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	if err := printReconciliation(out.stdout, r, conn, c.JSON); err != nil {
		return err
	}
	if r.Counts == (reconcile.Counts{Ours: r.Counts.Ours, Theirs: r.Counts.Theirs, Equal: r.Counts.Equal}) {
		return nil
	}
	shown := newRows(out.stdout, c.JSON, "\nDIFFERENCE\tKIND\tWHAT\tENTITY\tRECORD\tSTATE\tDETAIL")
	err = each(ctx, s, func(tx pgx.Tx, after string) (postgres.Page[reconcile.Difference], error) {
		return reconcile.Differences(ctx, tx, r.ID, reconcile.DifferenceFilter{After: after, Limit: 500})
	}, func(d reconcile.Difference) error {
		entity := "–"
		if d.EntityID != nil {
			entity = d.EntityID.String()
		}
		return shown.add(d, "%s\t%s\t%s\t%s\t%s\t%s\t%s", d.ID, d.Kind, d.Title, entity, d.RemoteID, d.State, detail(d))
	})
	return errors.Join(err, shown.end())
}

// detail is what a line says of a difference: which fields, or why.
func detail(d reconcile.Difference) string {
	var parts []string
	if d.Message != "" {
		parts = append(parts, d.Message)
	}
	for _, f := range d.Fields {
		ours, _ := json.Marshal(f.Ours)     // they came from JSON
		theirs, _ := json.Marshal(f.Theirs) // they too
		parts = append(parts, fmt.Sprintf("%s: %s here, %s there", f.Field, ours, theirs))
	}
	if d.Reason != "" {
		parts = append(parts, "ignored: "+d.Reason)
	}
	return strings.Join(parts, "; ")
}

type reconcileMend struct {
	Reconciliation string   `arg:"" help:"The id of the reconciliation."`
	Action         string   `arg:"" enum:"push,pull,link,unlink,ignore" help:"What to do: push, pull, link, unlink or ignore."`
	ID             []string `arg:"" optional:"" help:"Differences to mend."`
	All            string   `help:"Mend every open difference of a kind: missing_here, missing_there, different, unlinked, duplicate or unreadable." placeholder:"KIND"`
	Reason         string   `help:"Why a difference does not matter; required to ignore." placeholder:"TEXT"`
}

// Validate is called by kong.
func (c *reconcileMend) Validate() error {
	var faults []error
	if (len(c.ID) == 0) == (c.All == "") {
		faults = append(faults, errors.New("name differences, or a kind with --all"))
	}
	for _, text := range append([]string{c.Reconciliation}, c.ID...) {
		if uuid.Validate(text) != nil {
			faults = append(faults, fmt.Errorf("%q is no id", text))
		}
	}
	return errors.Join(faults...)
}

// Run mends what was named, some hundreds at a time, and says what was refused.
func (c *reconcileMend) Run(ctx context.Context, cfg *Config, s *session, out output) error {
	r, err := s.reconciler(cfg, out)
	if err != nil {
		return err
	}
	in := reconcile.Errand{Action: reconcile.Action(c.Action), Kind: reconcile.Kind(c.All), Reason: c.Reason}
	for _, text := range c.ID {
		in.IDs = append(in.IDs, uuid.MustParse(text)) // Validate has seen it
	}
	all, err := r.MendAll(ctx, s.who, uuid.MustParse(c.Reconciliation), in)
	for _, d := range all.Refused {
		fmt.Fprintf(out.stderr, "%s: %s\n", d.ID, d.Reason)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out.stdout, "%d handed over, %d refused\n", all.Done, len(all.Refused))
	if all.Done == 0 {
		return errors.New("nothing was mended")
	}
	return nil
}

// reconciler mends as the running hub does.
func (s *session) reconciler(cfg *Config, out output) (*reconcile.Reconciler, error) {
	revisions, err := s.revisions()
	if err != nil {
		return nil, err
	}
	logger := cfg.logger(out.stderr)
	return reconcile.New(reconcile.Config{
		DB: s.db, Connections: s.connections, Revisions: revisions, Entities: &crm.Store{}, Puller: s.puller(revisions, logger), Logger: logger,
	}), nil
}

type reconcileReport struct{ which }

// Run writes the report to stdout.
func (c *reconcileReport) Run(ctx context.Context, cfg *Config, s *session, out output) error {
	r, conn, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out.stdout)
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) error {
		names := reconcile.Names{Organization: cfg.Organization, Connection: conn.Code}
		return reconcile.Report(ctx, tx, s.key, names, r.ID, time.Now(), w)
	})
	return errors.Join(err, w.Flush())
}

type reconcileVerify struct {
	File string `arg:"" type:"existingfile" help:"The report."`
	Key  string `help:"The public key of the installation that made it, as reconcile key prints it; this one's if left out." placeholder:"BASE64"`
	JSON bool   `help:"Print the report's first line, which was verified, as JSON."`
}

// Run checks the report and prints what it proves.
func (c *reconcileVerify) Run(cfg *Config, out output) (err error) {
	key, err := c.public(cfg)
	if err != nil {
		return err
	}
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	v, err := reconcile.Verify(file, key)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if c.JSON {
		return json.NewEncoder(out.stdout).Encode(v.Head)
	}
	fmt.Fprintf(out.stdout, "The signature of %s holds: signed %s, SHA-256 %s\n\n", v.Organization, v.SignedAt.Format(time.DateTime+" UTC"), v.SHA256)
	return printReconciliation(out.stdout, v.Reconciliation, connection.Connection{Code: v.Connection}, false)
}

func (c *reconcileVerify) public(cfg *Config) (ed25519.PublicKey, error) {
	if c.Key != "" {
		key, err := reconcile.ParsePublicKey(c.Key)
		if _, ok := errors.AsType[schema.Violations](err); ok {
			return nil, errors.New("--key: must be an Ed25519 public key in base64")
		}
		return key, err
	}
	return publicKey(cfg)
}

// publicKey is the one of this installation.
func publicKey(cfg *Config) (ed25519.PublicKey, error) {
	key, err := cfg.key()
	if err != nil {
		return nil, err
	}
	public, _ := key.Notary().Public().(ed25519.PublicKey)
	return public, nil
}

type reconcileKey struct{}

// Run prints the public key.
func (c *reconcileKey) Run(cfg *Config, out output) error {
	key, err := publicKey(cfg)
	if err != nil {
		return err
	}
	fmt.Fprintln(out.stdout, base64.StdEncoding.EncodeToString(key))
	return nil
}
