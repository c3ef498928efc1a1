package report_test

import (
	"context"
	"flag"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/report"
)

var customers = flag.Int("customers", 200_000, "how many customers the benchmarks have; orders and invoices are twice as many, lines five times")

var database = flag.String("database", "", "of an earlier run, filled if it is empty; a new one if left out")

// BenchmarkReports runs each report, grouped in each way, over a large organization's books:
//
//	go test ./core/report -run '^$' -bench . -benchtime 3x -customers 1000000
func BenchmarkReports(b *testing.B) {
	s := largeBooks(b)
	for _, r := range report.All() {
		ways := []string{""}
		for _, p := range r.Parameters {
			if p.Name == "by" {
				ways = p.Choices
			}
		}
		for _, by := range ways {
			given := report.Parameters{}
			name := r.Name
			if by != "" {
				given["by"] = by
				name += "/" + by
			}
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					s.run(b, r.Name, given)
				}
			})
		}
	}
	first := report.Behind{}
	b.Run("rows", func(b *testing.B) {
		r, err := report.Find("booked")
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if err := s.as(b, func(ctx context.Context, tx pgx.Tx) error {
				_, err := s.store.Rows(ctx, tx, r, nil, first)
				return err
			}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// largeBooks are those of the database given, or of a new one.
func largeBooks(b *testing.B) *books {
	url := *database
	if url == "" {
		url = postgrestest.URL(b)
	}
	db := postgrestest.Open(b, url)
	if _, err := db.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	var there []uuid.UUID
	if err := db.AsSystem(b.Context(), func(tx pgx.Tx) (err error) {
		rows, err := tx.Query(b.Context(), `select id from organizations`)
		if err != nil {
			return err
		}
		there, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	}); err != nil {
		b.Fatal(err)
	}
	s := &books{db: db, store: report.Store{Now: today}}
	if len(there) > 0 {
		s.who = postgres.Principal{Organization: there[0], Actor: postgres.System}
		return s
	}
	s.who = postgrestest.Organization(b, db)
	start := time.Now()
	s.fill(b, url, *customers)
	b.Logf("%d customers and what belongs to them filled in %s", *customers, time.Since(start).Round(time.Second))
	return s
}

// fill makes n customers with twice as many orders and invoices over two years and three currencies, half of the
// customers without any. The server writes them itself, with foreign keys and triggers off.
func (b *books) fill(t testing.TB, url string, n int) {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(ctx)) })
	for _, statement := range []string{
		`set session_replication_role = replica`,
		`set maintenance_work_mem = '1GB'`,
		// Indexes are made once all rows are there, which takes a fraction of the time.
		`create temporary table secondary as
			select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition
			from pg_index i join pg_class c on c.oid = i.indrelid
			where c.relnamespace = 'public'::regnamespace and not exists (select from pg_constraint k where k.conindid = i.indexrelid)`,
		`do $$ declare i record; begin for i in select * from secondary loop execute 'drop index ' || i.name; end loop; end $$`,
		`set crmhub.organization = '{organization}'`,
		`select setseed(0.5)`,
		`insert into users (id, login, name) select gen_random_uuid(), 'u' || i, 'User ' || i from generate_series(1, 50) i`,
		`insert into products (id, version, sku, name, category, created_at, created_by, updated_at, updated_by)
			select gen_random_uuid(), 1, 'P' || i, 'Product ' || i, 'Category ' || i % 20, now(), 'system', now(), 'system' from generate_series(1, 2000) i`,
		// Ids that rise as those of the hub do: an index on random ones takes ten times as long to write.
		`create function pg_temp.risen(kind integer, n bigint) returns uuid language sql immutable
			return ('019' || to_hex(kind) || lpad(to_hex(n), 8, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid`,
		`create temporary table u as select row_number() over () as n, id from users`,
		`create temporary table p as select row_number() over () as n, id from products`,
		`create temporary table c as select n, pg_temp.risen(1, n) as id, (random() * 49)::int + 1 as owner from generate_series(1, {n}) n`,
		`insert into customers (id, version, code, name, kind, lifecycle, phone, owner_id, employees, created_at, created_by, updated_at, updated_by)
			select c.id, 1, 'C' || c.n, 'Customer ' || c.n, 'company', case when c.n % 2 = 0 then 'lead' else 'customer' end, '+49 30 1', u.id, c.n % 200,
				'2026-03-15'::timestamptz - c.n % 700 * interval '1 day', 'system', now(), 'system' from c join u on u.n = c.owner`,
		`insert into customer_addresses (customer_id, seq, kind, street, country, province)
			select c.id, 1, 'bill', 'Main street 1', (array['DE', 'CN', 'US'])[c.n % 3 + 1], 'P' || c.n % 30 from c`,
		`create temporary table o as select n, pg_temp.risen(2, n) as id, pg_temp.risen(3, n) as invoice, (random() * {n} / 2)::int * 2 + 1 as customer, (random() * 2 * {n})::int as dice,
			'2026-03-15'::date - (random() * 730)::int as date, (random() * 100000)::numeric(20, 2) as untaxed from generate_series(1, 2 * {n}) n`,
		`create temporary table d as select o.*, c.id as customer_id, u.id as owner_id, (array['EUR', 'EUR', 'USD', 'CNY'])[o.dice % 4 + 1] as currency,
			(array[1, 1, 0.91, 0.128])[o.dice % 4 + 1] as rate from o join c on c.n = least(o.customer, {n}) join u on u.n = c.owner`,
		`insert into orders (id, version, number, customer_id, date, currency, rate_to_base, status, delivery_status, billing_status, payment_status, untaxed, tax, total,
				bill_address, ship_address, owner_id, created_at, created_by, updated_at, updated_by)
			select d.id, 1, 'SO' || d.n, d.customer_id, d.date, d.currency, d.rate, (array['confirmed', 'completed', 'completed', 'draft', 'cancelled'])[d.dice % 5 + 1], 'full', 'full', 'full',
				d.untaxed, 0, d.untaxed, '{"street": "Main street 1", "city": "Berlin", "postcode": "10115", "country": "DE"}', '{"street": "Main street 1", "city": "Berlin", "postcode": "10115", "country": "DE"}',
				d.owner_id, now(), 'system', now(), 'system' from d`,
		`insert into order_lines (order_id, seq, product_id, description, qty, price, untaxed, tax)
			select d.id, s, p.id, 'Product', 1, d.untaxed / 4, d.untaxed / 4, 0 from d cross join generate_series(1, 2 + d.n % 2) s join p on p.n = 1 + (d.n * 7 + s * 31) % 2000`,
		`insert into invoices (id, version, number, kind, customer_id, order_id, issue_date, due_date, currency, rate_to_base, untaxed, tax, total, residual, status, payment_status, owner_id, created_at, created_by, updated_at, updated_by)
			select d.invoice, 1, 'INV' || d.n, case when d.n % 25 = 0 then 'credit_note' else 'invoice' end, d.customer_id, d.id, d.date, d.date + 30, d.currency, d.rate, x.sign * d.untaxed, 0, x.sign * d.untaxed,
				case when d.n % 10 = 3 then x.sign * d.untaxed else 0 end, 'issued', 'paid', d.owner_id, now(), 'system', now(), 'system'
			from d cross join lateral (select case when d.n % 25 = 0 then -1 else 1 end as sign) x`,
		`insert into invoice_lines (invoice_id, seq, product_id, description, qty, price, untaxed, tax)
			select i.id, s, p.id, 'Product', 1, i.untaxed / 4, i.untaxed / 4, 0
			from (select d.n, d.invoice as id, case when d.n % 25 = 0 then -d.untaxed else d.untaxed end as untaxed from d) i cross join generate_series(1, 2 + i.n % 2) s join p on p.n = 1 + (i.n * 7 + s * 31) % 2000`,
		`insert into payments (id, version, number, customer_id, date, method, currency, amount, status, owner_id, created_at, created_by, updated_at, updated_by)
			select pg_temp.risen(4, d.n), 1, 'PAY' || d.n, d.customer_id, least(d.date + 20, '2026-03-15'), 'wire', d.currency, d.untaxed + 1, 'posted', d.owner_id, now(), 'system', now(), 'system' from d where d.n % 10 <> 3`,
		`insert into targets (id, owner_id, month, measure, amount, currency) select gen_random_uuid(), u.id, m, 'revenue', 1000000, 'EUR' from u, generate_series('2025-04-01'::date, '2026-03-01', interval '1 month') m`,
		`insert into pipelines (id, version, name, is_default, is_active, created_at, created_by, updated_at, updated_by) values (gen_random_uuid(), 1, 'Sales', true, true, now(), 'system', now(), 'system')`,
		`insert into pipeline_stages (pipeline_id, seq, code, name, kind, probability, rotten_days)
			select p.id, s.seq - 1, s.code, s.code, case when s.code in ('won', 'lost') then s.code else 'open' end, (array[10, 30, 50, 70, 90, 100, 0])[s.seq], 30
			from pipelines p cross join unnest(array['qualify', 'needs', 'proposal', 'negotiation', 'contract', 'won', 'lost']) with ordinality s (code, seq)`,
		`create temporary table y as select c.n, pg_temp.risen(5, c.n) as id, c.id as customer_id, u.id as owner_id, (random() * 6)::int as goes, random() < 0.8 as ends,
			'2026-03-01'::timestamptz - random() * interval '700 days' as at from c join u on u.n = c.owner where c.n % 2 = 0`,
		`insert into campaigns (id, version, code, name, kind, status, start_date, currency, actual_cost, owner_id, created_at, created_by, updated_at, updated_by)
			select gen_random_uuid(), 1, 'K' || n, 'Campaign ' || n, 'email', 'active', '2026-03-01'::date - 7 * n::int, 'EUR', 1000, u.id, now(), 'system', now(), 'system' from u where n <= 50`,
		`create temporary table k as select row_number() over () as n, id, start_date from campaigns`,
		`insert into opportunities (id, version, number, name, customer_id, pipeline_id, stage, stage_entered_at, status, amount, currency, rate_to_base, probability, forecast_category, expected_close, closed_at,
				lost_reason, campaign_id, source, owner_id, created_at, created_by, updated_at, updated_by)
			select y.id, 1, 'OP' || y.n, 'Deal', y.customer_id, p.id, s.code, y.at + 20 * interval '1 day', s.kind, random() * 10000, 'USD', 0.91, s.probability, 'commit',
				'2026-03-01'::date + (random() * 100)::int, case when s.kind <> 'open' then y.at + 20 * interval '1 day' end, case when s.kind = 'lost' then 'price' end, k.id, 'web', y.owner_id,
				y.at, 'system', now(), 'system'
			from y cross join pipelines p join pipeline_stages s on s.pipeline_id = p.id and s.seq = case when not y.ends then least(y.goes, 4) when y.goes > 3 then 5 else 6 end
			join k on k.n = 1 + y.n % 50`,
		`insert into opportunity_stage_log (opportunity_id, version, at, by, pipeline_id, from_stage, to_stage, seconds)
			select y.id, v, y.at + v * interval '4 days', 'system', o.pipeline_id, f.code, t.code, case when v > 1 then 345600 end
			from y join opportunities o on o.id = y.id cross join generate_series(1, least(y.goes, 4) + 1 + y.ends::int) v
			join pipeline_stages t on t.pipeline_id = o.pipeline_id and t.code = case when v = least(y.goes, 4) + 2 then o.stage else (array['qualify', 'needs', 'proposal', 'negotiation', 'contract'])[v] end
			left join pipeline_stages f on f.pipeline_id = o.pipeline_id and f.seq = v - 2`,
		`create temporary table m as select y.n, pg_temp.risen(6, y.n) as id, k.id as campaign_id, y.customer_id, k.start_date + random() * interval '30 days' as at,
			(array['sent', 'sent', 'sent', 'responded', 'converted', 'bounced'])[1 + y.goes % 6] as status from y join k on k.n = 1 + y.n * 7 % 50`,
		`insert into campaign_members (id, version, campaign_id, customer_id, status, responded_at, created_at, created_by, updated_at, updated_by)
			select m.id, 1, m.campaign_id, m.customer_id, m.status, case when m.status in ('responded', 'converted') then m.at end, now(), 'system', now(), 'system' from m`,
		`insert into campaign_events (campaign_id, id, member_id, at, by, type)
			select m.campaign_id, gen_random_uuid(), m.id, m.at, 'system', t from m cross join lateral unnest(array['targeted', 'sent', m.status]) t`,
		`insert into tickets (id, version, number, subject, customer_id, kind, priority, status, first_response_due, resolve_due, first_responded_at, resolved_at, reopened, owner_id, created_at, created_by, updated_at, updated_by)
			select y.id, 1, 'T' || y.n, 'Leaks', y.customer_id, 'problem', (array['low', 'normal', 'high', 'urgent'])[1 + y.n % 4], 'closed', y.at + interval '8 hours', y.at + interval '72 hours',
				y.at + random() * interval '12 hours', y.at + random() * interval '100 hours', (y.n % 20 = 0)::int, y.owner_id, y.at, 'system', now(), 'system' from y`,
		`insert into feedback (id, version, customer_id, ticket_id, at, score, nps, owner_id, created_at, created_by, updated_at, updated_by)
			select gen_random_uuid(), 1, y.customer_id, y.id, y.at + interval '5 days', 1 + y.n % 5, y.n % 11, y.owner_id, now(), 'system', now(), 'system' from y`,
		`insert into departments (id, name, path) select d.id, 'D' || n, '/' || d.id || '/' from (select n, gen_random_uuid() as id from generate_series(1, 10) n) d`,
		`update users set department_id = d.id from (select row_number() over () as n, id from departments) d where d.n = 1 + substr(users.login, 2)::int % 10`,
		`insert into targets (id, department_id, month, measure, amount, currency)
			select gen_random_uuid(), d.id, m, s, 10000000, 'EUR' from departments d, generate_series('2025-04-01'::date, '2026-03-01', interval '1 month') m, unnest(array['revenue', 'won']) s`,
		// What triggers would have kept.
		`insert into booked_documents (organization_id, order_id, date, customer_id, owner_id, currency, untaxed, base)
			select organization_id, id, date, customer_id, owner_id, currency, untaxed, round(untaxed * rate_to_base, 2) from orders where status not in ('draft', 'submitted', 'cancelled')`,
		`insert into invoiced_documents (organization_id, invoice_id, date, customer_id, owner_id, currency, untaxed, base, kind)
			select organization_id, id, issue_date, customer_id, owner_id, currency, untaxed, round(untaxed * rate_to_base, 2), kind from invoices where status not in ('draft', 'cancelled')`,
		`insert into customer_regions (organization_id, customer_id, owner_id, country, province)
			select a.organization_id, a.customer_id, c.owner_id, a.country, a.province from customer_addresses a join customers c on c.id = a.customer_id`,
		`insert into booked_lines (organization_id, order_id, seq, date, product_id, customer_id, owner_id, currency, untaxed, base)
			select d.organization_id, d.id, coalesce(l.seq, -1), d.date, l.product_id, d.customer_id, d.owner_id, d.currency, coalesce(l.untaxed, d.untaxed), round(coalesce(l.untaxed, d.untaxed) * d.rate_to_base, 2)
			from orders d left join order_lines l on l.order_id = d.id where d.status not in ('draft', 'submitted', 'cancelled')`,
		`insert into invoiced_lines (organization_id, invoice_id, seq, date, product_id, customer_id, owner_id, currency, untaxed, base)
			select d.organization_id, d.id, coalesce(l.seq, -1), d.issue_date, l.product_id, d.customer_id, d.owner_id, d.currency, coalesce(l.untaxed, d.untaxed), round(coalesce(l.untaxed, d.untaxed) * d.rate_to_base, 2)
			from invoices d left join invoice_lines l on l.invoice_id = d.id where d.status not in ('draft', 'cancelled')`,
		`insert into opportunity_stays (organization_id, opportunity_id, version, pipeline_id, stage, entered_at, left_at, returned, reached, customer_id, owner_id, status, deleted)
			select l.organization_id, l.opportunity_id, l.version, l.pipeline_id, l.to_stage, l.at, lead(l.at) over (partition by l.opportunity_id order by l.version), false,
				array(select n.to_stage from opportunity_stage_log n where n.organization_id = l.organization_id and n.opportunity_id = l.opportunity_id and n.version > l.version), d.customer_id, d.owner_id, d.status, false
			from opportunity_stage_log l join opportunities d on d.id = l.opportunity_id`, // nobody of this data returns
		`do $$ declare i record; begin for i in select * from secondary loop execute i.definition; end loop; end $$`,
		`vacuum analyze`,
	} {
		if _, err := conn.Exec(ctx, strings.NewReplacer("{n}", strconv.Itoa(n), "{organization}", b.who.Organization.String()).Replace(statement)); err != nil {
			t.Fatalf("%v\n%s", err, statement)
		}
	}
}
