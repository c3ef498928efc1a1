package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/bus"
	"crmhub/core/postgres"
	"crmhub/core/running"
)

// Feed makes deliveries of the changes on the topics, for the organizations in which somebody subscribed to some. Any number of
// processes may run one: they share the topics.
type Feed struct {
	DB       *postgres.DB
	Bus      *bus.Client
	Entities []string // all there are: what "*" means
	Logger   *slog.Logger

	running running.Set[string] // by organization's code
}

// interest is what the subscriptions of an organization want to hear of.
type interest struct {
	id     uuid.UUID
	code   string
	events []string
}

const selectInterests = `
select o.id, o.code, array_agg(distinct e order by e)
from subscriptions s join organizations o on o.id = s.organization_id, unnest(s.events) e
where s.status = 'active'
group by o.id, o.code`

// Run reads until ctx ends, and waits for its readers.
func (f *Feed) Run(ctx context.Context) error {
	defer f.running.Stop()
	return postgres.Repeat(ctx, time.Second, f.Logger, "subscriptions were not read", f.adjust)
}

// adjust makes what is read be what should.
func (f *Feed) adjust(ctx context.Context) error {
	var interests []interest
	err := f.DB.AsSystem(ctx, func(tx pgx.Tx) (err error) {
		rows, _ := tx.Query(ctx, selectInterests)
		interests, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (i interest, err error) {
			err = row.Scan(&i.id, &i.code, &i.events)
			return i, err
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("read what is subscribed to: %w", err)
	}
	wanted := map[string]running.Work{}
	for _, i := range interests {
		if topics := f.topics(i); len(topics) > 0 {
			wanted[i.code] = running.Work{As: strings.Join(topics, " "), Run: func(ctx context.Context) { f.keep(ctx, i, topics) }}
		}
	}
	f.running.Want(ctx, wanted)
	return nil
}

// topics are those of the entities that somebody wants to hear of.
func (f *Feed) topics(i interest) []string {
	entities := map[string]bool{}
	for _, e := range i.events {
		if name, _, _ := strings.Cut(e, "."); slices.Contains(f.Entities, name) {
			entities[name] = true
		}
		if e == "*" {
			for _, name := range f.Entities {
				entities[name] = true
			}
		}
	}
	topics := make([]string, 0, len(entities))
	for _, name := range slices.Sorted(maps.Keys(entities)) {
		topics = append(topics, bus.Topic(i.code, name))
	}
	return topics
}

// keep reads; what fails is read again from where it was committed last.
func (f *Feed) keep(ctx context.Context, i interest, topics []string) {
	if err := f.read(ctx, i, topics); err != nil && ctx.Err() == nil {
		f.Logger.WarnContext(ctx, "changes for subscriptions are read again", "organization", i.code, "error", err)
	}
}

const most = 500

// read makes deliveries of what comes, before the group's place is committed: what comes again has its deliveries already.
func (f *Feed) read(ctx context.Context, i interest, topics []string) (err error) {
	// No connection is called so: codes begin with a letter.
	reader := f.Bus.NewReader(ctx, "crmhub."+i.code+"._notify", topics)
	defer func() { err = errors.Join(err, reader.Close()) }()
	who := postgres.Principal{Organization: i.id, Actor: postgres.System}
	for {
		received, err := reader.Fetch(ctx, most)
		if err != nil {
			return err
		}
		events := make([]Event, 0, len(received))
		for _, r := range received {
			if r.Fault == nil {
				events = append(events, fromTopic(r.Event))
			}
		}
		if err := f.DB.As(ctx, who, func(tx pgx.Tx) error { return Announce(ctx, tx, events...) }); err != nil {
			return err
		}
		if err := reader.Commit(ctx, received); err != nil {
			return err
		}
	}
}
