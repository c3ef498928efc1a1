package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/pull"
	"crmhub/core/revision"
	"crmhub/core/schema"
)

// Config is what a Reconciler works with.
type Config struct {
	DB          *postgres.DB
	Connections *connection.Store
	Revisions   *revision.Store // which mapping is live
	Entities    *crm.Store
	Puller      *pull.Puller // reads records as a pull does, and brings them in
	Logger      *slog.Logger
}

// Reconciler executes the runs of reconciliation jobs, and mends what they find.
type Reconciler struct{ Config }

// New returns a Reconciler.
func New(c Config) *Reconciler { return &Reconciler{c} }

// comparison is one reconciliation on its way.
type comparison struct {
	*Reconciler
	task       job.Task
	id         uuid.UUID
	started    time.Time
	connection connection.Connection
	session    connector.Session
	getter     connector.Getter // nil if the stream's records cannot be read one by one
	stream     connector.Stream
	kind       crm.Kind
	mapping    *mapping.Mapping
	compared   map[string]bool // the fields that a pull takes from a record
	telling    map[string]bool // these, and those that the sums need
	who        postgres.Principal
	sums       sums
	log        *slog.Logger
}

// Run executes one run of a reconciliation job; it is the [job.Work] of [job.Reconcile]. A run that was cut off begins anew.
func (r *Reconciler) Run(ctx context.Context, t job.Task) (err error) {
	c := &comparison{Reconciler: r, task: t, who: postgres.Principal{Organization: t.Job.Organization, Actor: postgres.Connection(t.Job.ConnectionID)}}
	if err := c.prepare(ctx); err != nil {
		return err
	}
	defer func() { _ = c.session.Close() }() // nothing was written there
	if err := c.begin(ctx); err != nil {
		return err
	}
	found, err := c.compare(ctx)
	if err != nil {
		return c.give(ctx, err)
	}
	return c.finish(ctx, found)
}

// prepare finds out what is compared with what.
func (c *comparison) prepare(ctx context.Context) error {
	entity := c.task.Job.Entity
	err := c.DB.As(ctx, c.who, func(tx pgx.Tx) (err error) {
		if c.connection, err = c.Connections.Get(ctx, tx, c.task.Job.ConnectionID); err != nil {
			return err
		}
		c.mapping, _, err = c.Revisions.Live(ctx, tx, c.connection, entity)
		return err
	})
	if err != nil {
		return fmt.Errorf("reconcile %s: %w", entity, err)
	}
	c.log = c.Logger.With("organization", c.connection.Organization, "connection", c.connection.Code, "entity", entity)
	if c.mapping == nil {
		return connector.Misconfigured(schema.Say("no_mapping", entity, c.connection.Connector), fmt.Sprintf("there is no mapping of %s for the connector %s", entity, c.connection.Connector))
	}
	if c.kind, err = crm.ParseKind(entity); err != nil {
		return connector.Misconfigured(nil, err.Error())
	}
	c.compared = map[string]bool{}
	for _, f := range c.mapping.Fields() {
		c.compared[f.Path] = f.Pull
	}
	c.telling = maps.Clone(c.compared)
	for _, name := range amountFields() {
		c.telling[name] = true
	}
	streams := c.Connections.Streams(c.connection)
	i := slices.IndexFunc(streams, func(s connector.Stream) bool { return s.Entity == entity && s.Record == c.mapping.Record() && s.Pull })
	if i < 0 {
		return connector.Misconfigured(schema.Say("not_pulled", c.connection.Connector, c.mapping.Record()), fmt.Sprintf("the connector %s cannot list %s", c.connection.Connector, c.mapping.Record()))
	}
	c.stream = streams[i]
	if c.session, err = c.Connections.Open(c.connection); err != nil {
		return connection.Unopened(err)
	}
	if c.stream.Get {
		c.getter, _ = c.session.(connector.Getter)
	}
	return nil
}

const insertReconciliation = `
insert into reconciliations (id, connection_id, run_id, entity, mapping_version, started_by)
select $1, $2, $3, $4, $5, r.queued_by from runs r where r.id = $3
returning started_at`

// begin notes that the comparison has begun, and forgets what an earlier worker had found before it died.
func (c *comparison) begin(ctx context.Context) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("begin a reconciliation: %w", err)
	}
	c.id = id
	return c.as(ctx, func(tx pgx.Tx) error {
		if err := forget(ctx, tx, c.task.ID); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, insertReconciliation, id, c.connection.ID, c.task.ID, c.kind, c.mapping.Version()).Scan(&c.started)
		if err != nil {
			return err
		}
		undo := job.Counts{Read: -c.task.Read, Unchanged: -c.task.Unchanged}
		return job.Advance(ctx, tx, c.task, undo)
	})
}

const (
	forgetRecords = `delete from reconciled_records using reconciliations r where r.id = reconciliation_id and r.run_id = $1`
	forgetRun     = `delete from reconciliations where run_id = $1`
)

func forget(ctx context.Context, tx pgx.Tx, run uuid.UUID) error {
	if _, err := tx.Exec(ctx, forgetRecords, run); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, forgetRun, run)
	return err
}

// compare reads both sides and returns what it found.
func (c *comparison) compare(ctx context.Context) (Counts, error) {
	read, err := c.read(ctx)
	if err != nil {
		return Counts{}, err
	}
	if err := c.doubt(ctx, read.Theirs); err != nil {
		return Counts{}, err
	}
	if err := c.absent(ctx, &read); err != nil {
		return Counts{}, err
	}
	if err := c.recognize(ctx, &read); err != nil {
		return Counts{}, err
	}
	err = c.recheck(ctx, &read)
	return read, err
}

const countLinks = `select count(*) from links where connection_id = $1 and entity = $2 and remote_id is not null`

// doubt is the rule of suspicion: a remote that gives less than half of what is linked is not believed.
func (c *comparison) doubt(ctx context.Context, theirs int64) error {
	var linked int64
	err := c.as(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, countLinks, c.connection.ID, c.kind).Scan(&linked)
	})
	if err != nil || c.task.Believe || theirs*2 >= linked {
		return err
	}
	return &job.SuspectError{
		Message: fmt.Sprintf("%d records of %s were found, where %d are linked", theirs, c.kind, linked),
		Said:    schema.Say("fewer_than_linked", theirs, c.kind, linked),
	}
}

const (
	endReconciliation = `
update reconciliations set verdict = $2, message = nullif($3, ''), counts = $4, sums = $5, said = $6, finished_at = now() where id = $1`
	forgetDifferences = `delete from differences where reconciliation_id = $1`
	forgetRead        = `delete from reconciled_records where reconciliation_id = $1`
)

// outcome is what came of a comparison. Where it is no proof the counts are none.
type outcome struct {
	verdict Verdict
	message string // why it is no proof, or less of one
	said    *schema.Saying
	counts  Counts
	sums    []Sum
}

// give ends a comparison that came to nothing: what it had found till then is no proof of anything, and goes.
func (c *comparison) give(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, job.ErrLost) {
		return err // another worker begins anew
	}
	o := outcome{verdict: Failed, message: "an internal error; the hub's log has it", said: schema.Say("internal")}
	if remote, ok := errors.AsType[*connector.Error](err); ok {
		o.message, o.said = remote.Error(), remote.Said
	}
	if errors.Is(err, job.ErrCancelled) || errors.Is(err, job.ErrPaused) { // a paused one begins anew, too
		o = outcome{verdict: Cancelled}
	}
	if suspect, ok := errors.AsType[*job.SuspectError](err); ok {
		o = outcome{verdict: Suspect, message: suspect.Message, said: suspect.Said}
	}
	return errors.Join(err, c.end(ctx, o))
}

// end writes down what came of the comparison.
func (c *comparison) end(ctx context.Context, o outcome) error {
	if o.sums == nil {
		o.sums = []Sum{}
	}
	return c.as(ctx, func(tx pgx.Tx) error {
		if o.verdict != Equal && o.verdict != Differs {
			if _, err := tx.Exec(ctx, forgetDifferences, c.id); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, forgetRead, c.id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, endReconciliation, c.id, o.verdict, o.message, o.counts, o.sums, o.said)
		return err
	})
}

// finish counts what is left, and ends the comparison.
func (c *comparison) finish(ctx context.Context, found Counts) error {
	err := c.as(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, inheritIgnored, c.id, c.connection.ID, c.kind); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, countDifferences, c.id)
		var kind Kind
		var n, ignored int64
		_, err := pgx.ForEachRow(rows, []any{&kind, &n, &ignored}, func() error {
			*found.of(kind) = n
			found.Ignored += ignored
			return nil
		})
		return err
	})
	if err != nil {
		return c.give(ctx, err)
	}
	verdict := Equal
	if found.differences() > found.Ignored {
		verdict = Differs
	}
	o := outcome{verdict: verdict, counts: found, sums: c.sums.list()}
	if c.task.Believe { // whoever reads the report knows what it is a proof of
		o.message, o.said = "somebody accepted what the run before doubted: some of the other side may not have been read", schema.Say("believed")
	}
	if err := c.end(ctx, o); err != nil {
		return c.give(ctx, err)
	}
	c.log.InfoContext(ctx, "reconciled", "run", c.task.ID, "verdict", verdict, "theirs", found.Theirs, "differences", found.differences())
	return nil
}

// The same difference as one that somebody said to ignore, in the latest reconciliation of the stream before, stays ignored.
const (
	inheritIgnored = `
update differences d set state = 'ignored', action = 'ignore', reason = o.reason, changed_at = o.changed_at, changed_by = o.changed_by
from differences o
where d.reconciliation_id = $1 and d.digest is not null and o.digest = d.digest and o.state = 'ignored' and o.reconciliation_id = (
	select r.id from reconciliations r
	where r.connection_id = $2 and r.entity = $3 and r.id < $1 and r.verdict in ('equal', 'differs')
	order by r.id desc limit 1)`
	countDifferences = `
select kind, count(*), count(*) filter (where state = 'ignored') from differences where reconciliation_id = $1 group by kind`
)

func (c *Counts) of(k Kind) *int64 {
	switch k {
	case MissingHere:
		return &c.MissingHere
	case MissingThere:
		return &c.MissingThere
	case Different:
		return &c.Different
	case Unlinked:
		return &c.Unlinked
	case Duplicate:
		return &c.Duplicate
	default:
		return &c.Unreadable
	}
}

// differences is how many differences there are, of all kinds.
func (c *Counts) differences() (n int64) {
	for _, k := range Kinds() {
		n += *c.of(k)
	}
	return n
}

func (c *comparison) as(ctx context.Context, fn func(tx pgx.Tx) error) error {
	if err := c.DB.As(ctx, c.who, fn); err != nil {
		return fmt.Errorf("reconcile %s: %w", c.task.Job.Entity, err)
	}
	return nil
}
