package flow_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/core/flow"
)

const (
	manyLinks = 1_000_000
	today     = 200_000 // of them were brought over in the last 24 hours
)

// BenchmarkRead reads the flows beside a million links, of which 20,000 wait, 400,000 exchanges of four days, 10,000 open dead
// letters and as many runs, and says how the server finds each part.
func BenchmarkRead(b *testing.B) {
	f := newFixture(b)
	erp := f.connect("erp")
	pull := f.pulls(erp, "order", "@every 1m")
	f.sql(`insert into links (id, connection_id, entity, entity_id, remote_id, state, wanted_version, synced_version, next_attempt_at, snapshot)
		select gen_random_uuid(), $1, (array['customer', 'order', 'invoice', 'payment'])[n % 4 + 1],
			('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, n::text, 'linked', 2, case when n % 100 = 0 then 1 when n % 100 = 1 then 0 else 2 end,
			case when n % 100 < 2 then now() - make_interval(secs => n % 3600) end, json_build_object('number', n, 'name', repeat('x', 300))::jsonb
		from generate_series(1, $2::integer) n`, erp.ID, manyLinks)
	f.system(`insert into publications (organization_id, entity, entity_id, version, partition, position, at)
		select $1, (array['customer', 'order', 'invoice', 'payment'])[n % 4 + 1], ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, v, 0, n, now() - interval '1 hour'
		from generate_series(1, $2::integer) n, generate_series(1, 2) v where n % 100 < 2`, f.who.Organization, manyLinks)
	for _, direction := range []string{"push", "pull"} {
		f.sql(`insert into exchanges (entity, entity_id, at, connection_id, direction, version, op, outcome, remote_id, mapping_version, exchanges)
			select (array['customer', 'order', 'invoice', 'payment'])[n % 4 + 1], ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
				now() - (1 - n::float8 / $3) * interval '48 hours', $1, $2, 2, 'update', case $2 when 'push' then 'linked' else 'updated' end, n::text, 'abc', sha512(n::text::bytea) || sha512('b') || sha512('c')
			from generate_series(1, $3::integer) n`, erp.ID, direction, today)
	}
	f.sql(`insert into dead_letters (id, connection_id, direction, entity, remote_id, stage, class, message, fingerprint)
		select gen_random_uuid(), $1, 'pull', 'order', n::text, 'schema', 'schema', 'no', 'f' from generate_series(1, 10000) n`, erp.ID)
	f.sql(`insert into runs (id, job_id, cause, status, queued_at, started_at, finished_at)
		select gen_random_uuid(), $1, 'schedule', case when n < 1440 then 'failed' else 'succeeded' end, now() - n * interval '1 minute', now() - n * interval '1 minute', now() - n * interval '1 minute'
		from generate_series(1, 10000) n`, pull.ID)
	conn, err := pgx.Connect(b.Context(), f.url)
	if err != nil {
		b.Fatal(err)
	}
	_, err = conn.Exec(b.Context(), "vacuum analyze")
	if err = errors.Join(err, conn.Close(b.Context())); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		f.read()
	}
	b.StopTimer()
	for name, statement := range flow.Statements() {
		b.ReportMetric(f.cost(statement), name+"-cpu-ms")
	}
}

// cost is the processor time of a statement in milliseconds, by one session: unlike a clock it does not count what else the
// machine does.
func (f *fixture) cost(statement string) float64 {
	f.Helper()
	const times = 20
	var used int64
	f.tx(func(tx pgx.Tx) error {
		var pid int
		if err := tx.QueryRow(f.Context(), "select pg_backend_pid() from set_config('max_parallel_workers_per_gather', '0', true)").Scan(&pid); err != nil {
			return err
		}
		ticks := func() (sum int64, err error) {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err != nil {
				return 0, err
			}
			fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))
			for _, text := range fields[12:14] { // user and system time, in hundredths of a second
				n, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					return 0, err
				}
				sum += n
			}
			return sum, nil
		}
		before, err := ticks()
		if err != nil {
			return err
		}
		for range times {
			if _, err := tx.Exec(f.Context(), statement); err != nil {
				return err
			}
		}
		after, err := ticks()
		used = after - before
		return err
	})
	return float64(used) * 10 / times
}
