package journey_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/journey"
)

// events is among how many a journey is looked for.
const events = 10_000_000

// fill makes exchanges of 100,000 orders with a short body each, and as many publications.
const fill = `
insert into exchanges (organization_id, entity, entity_id, at, connection_id, direction, version, op, outcome, remote_id, mapping_version, exchanges)
select $1, 'order', ('00000000-0000-7000-8000-' || lpad((n % 100000)::text, 12, '0'))::uuid, now() - make_interval(secs => $3 - n), $2, 'push', 1 + n / 100000,
	'update', 'linked', (n % 100000)::text, 'abc', '[{"at":"2026-09-01T08:00:00Z","purpose":"update","milliseconds":3,"method":"PUT","path":"/orders/1","status":200}]'
from generate_series($4::bigint, $5::bigint) n`

// BenchmarkRead reads a journey of a hundred pushes among ten million exchanges, and says how the server found them.
func BenchmarkRead(b *testing.B) {
	f := newFixture(b)
	f.live()
	for from := 0; from < events; from += 500_000 {
		f.tx(fill, f.who.Organization, f.connection, events, from, from+499_999)
	}
	f.tx(`insert into exchanges (entity, entity_id, connection_id, direction, version, outcome)
		select 'order', $1, $2, 'push', n, 'linked' from generate_series(1, 100) n`, f.order, f.connection)
	longest := time.Duration(0)
	for b.Loop() {
		began := time.Now()
		if n := len(f.read(f.who, journey.Filter{Limit: 500}).Items); n != 108 {
			b.Fatalf("%d steps", n)
		}
		longest = max(longest, time.Since(began))
	}
	b.ReportMetric(float64(longest.Microseconds())/1000, "longest-ms")
	err := f.db.As(b.Context(), f.who, func(tx pgx.Tx) error {
		plan, err := journey.Explain(b.Context(), tx, journey.Filter{Entity: "order", EntityID: f.order})
		b.Log(plan)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}
