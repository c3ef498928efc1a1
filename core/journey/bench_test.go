package journey_test

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/journey"
)

// events is among how many a journey is looked for.
const events = 10_000_000

// fill makes exchanges of 100,000 orders with a short body each, and as many publications.
const fill = `
insert into exchanges (organization_id, entity, entity_id, at, connection_id, direction, version, op, outcome, remote_id, mapping_version)
select $1, 'order', ('00000000-0000-7000-8000-' || lpad((n % 100000)::text, 12, '0'))::uuid, now() - make_interval(secs => $3 - n), $2, 'push', 1 + n / 100000,
	'update', 'linked', (n % 100000)::text, 'abc'
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

// BenchmarkQueue writes the events of a push's batch, with the bodies that an order's have, and measures what one costs.
func BenchmarkQueue(b *testing.B) {
	const n = 500
	f := newFixture(b)
	body := `{"external_ref":"SO-2026-0042","party_no":"10017","doc_date":"20260901","currency":"EUR","positions":[` +
		strings.Repeat(`{"article_no":"A-1001","text":"Pump, stainless","uom":"pcs","quantity":"2","price_per_100":"12350.00"},`, 9) + `{}]}`
	events := make([]journey.Event, n)
	before := f.processor()
	for b.Loop() {
		for i := range events {
			events[i] = journey.Event{
				Entity: "order", EntityID: uuid.Must(uuid.NewV7()), Connection: f.connection, Direction: journey.Push, Version: 1, Op: connector.OpCreate,
				Outcome: "linked", RemoteID: "1001", MappingVersion: "5f0c2a9b7d11",
				Exchanges: []journey.Exchange{{
					At: time.Now(), Purpose: "create", Milliseconds: 12, Method: "POST", Path: "/api/orders", Status: 201, Request: body, Response: `{"id":1001}`,
				}},
			}
		}
		f.note(events...)
	}
	b.ReportMetric(float64((f.processor()-before).Microseconds())/float64(b.N*n), "cpu-µs/event")
}

// processor is the time that the server's sessions and this process have used: unlike a clock it does not count what else
// the machine does.
func (f *fixture) processor() (used time.Duration) {
	f.Helper()
	err := f.db.As(f.Context(), f.who, func(tx pgx.Tx) error {
		rows, _ := tx.Query(f.Context(), "select pid from pg_stat_activity where datname = current_database()")
		pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
		for _, pid := range append(pids, os.Getpid()) {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err != nil {
				return err
			}
			fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))
			for _, ticks := range fields[12:14] { // user and system time, in hundredths of a second
				n, err := strconv.Atoi(ticks)
				if err != nil {
					return err
				}
				used += time.Duration(n) * 10 * time.Millisecond
			}
		}
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	return used
}
