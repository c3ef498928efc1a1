package report_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/report"
)

// What reports read instead of documents and logs is what these say, whatever was written.

// liveLines is what the kept lines of a kind have to be.
const liveLines = `
select format('%%s', row(d.id, coalesce(l.seq, -1), d.%[3]s, l.product_id, d.customer_id, d.owner_id, d.currency, coalesce(l.untaxed, d.untaxed),
	round(coalesce(l.untaxed, d.untaxed) * d.rate_to_base, 2)))
from %[1]ss d left join %[1]s_lines l on l.%[1]s_id = d.id
where d.deleted_at is null and d.status not in (%[4]s)
order by 1`

const keptLines = `
select format('%%s', row(%[1]s_id, seq, date, product_id, customer_id, owner_id, currency, untaxed, base)) from %[2]s order by 1`

// liveDocuments is what the kept documents of a kind have to be, in books whose base currency has two decimals.
const liveDocuments = `
select format('%%s', row(d.id, d.%[2]s, d.customer_id, d.owner_id, d.currency, d.untaxed, round(d.untaxed * d.rate_to_base, 2)%[4]s))
from %[1]ss d
where d.deleted_at is null and d.status not in (%[3]s)
order by 1`

const keptDocuments = `
select format('%%s', row(%[1]s_id, date, customer_id, owner_id, currency, untaxed, base%[3]s)) from %[2]s order by 1`

func (b *books) texts(t testing.TB, sql string, args ...any) (found []string) {
	t.Helper()
	if err := b.as(t, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	}); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return found
}

// exec runs statements in a transaction. What the database refuses has not been: issued invoices never change.
func (b *books) exec(t testing.TB, statements ...string) {
	t.Helper()
	err := b.as(t, func(ctx context.Context, tx pgx.Tx) error {
		for _, s := range statements {
			if _, err := tx.Exec(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	})
	if code, constraint := postgres.ErrorCode(err); err != nil && constraint != "invoice_immutable" {
		t.Fatalf("%s %v", code, err)
	}
}

func TestKeptLinesAreThoseOfTheDocuments(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	for _, k := range []struct{ kind, kept, documents, dated, uncounted, more string }{
		{"order", "booked_lines", "booked_documents", "date", "'draft', 'submitted', 'cancelled'", ""},
		{"invoice", "invoiced_lines", "invoiced_documents", "issue_date", "'draft', 'cancelled'", ", kind"},
	} {
		rapid.Check(t, func(rt *rapid.T) {
			b := openBooks(t, db)
			customers, products, owners := []uuid.UUID{newID(), newID()}, []uuid.UUID{newID(), newID()}, []uuid.UUID{newID(), newID()}
			for i := range 2 {
				b.insert(t, "users", map[string]any{"id": owners[i], "login": owners[i].String(), "name": "User"})
				b.insert(t, "customers", customerRow(customers[i], fmt.Sprintf("C%d", i)))
				b.insert(t, "products", entity(map[string]any{"id": products[i], "sku": fmt.Sprintf("P%d", i), "name": "Product"}))
			}
			statuses := []string{"draft", "submitted", "confirmed", "completed", "cancelled"}
			if k.kind == "invoice" {
				statuses = []string{"draft", "issued", "issued", "credited_full", "cancelled"}
			}
			one := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, name) }
			id := func(name string, of []uuid.UUID) string {
				return "'" + rapid.SampledFrom(of).Draw(rt, name).String() + "'"
			}
			var documents []uuid.UUID
			line := func(document string, seq int) string {
				return fmt.Sprintf("insert into %[1]s_lines (%[1]s_id, seq, product_id, description, qty, price, untaxed, tax) values (%[2]s, %[3]d, %[4]s, 'x', 1, 1, %[5]s, 0)",
					k.kind, document, seq, one("product", "null", "'"+products[0].String()+"'", "'"+products[1].String()+"'"), one("untaxed", "1.5", "20.1234"))
			}
			lines := func(document string) (all []string) {
				for seq := range rapid.IntRange(0, 2).Draw(rt, "lines") {
					all = append(all, line(document, seq))
				}
				return all
			}
			for range rapid.IntRange(3, 12).Draw(rt, "writes") {
				if len(documents) == 0 || rapid.IntRange(0, 3).Draw(rt, "new") == 0 {
					row := orderRow(customers[0], "2026-01-10", "99.50")
					if k.kind == "invoice" {
						row = invoiceRow(customers[0], "2026-01-10", "99.50")
					}
					row["status"] = one("status", statuses...)
					b.insert(t, k.kind+"s", row)
					documents = append(documents, row["id"].(uuid.UUID))
					b.exec(t, lines("'"+row["id"].(uuid.UUID).String()+"'")...)
				}
				document := id("document", documents)
				update := func(what string) string { return "update " + k.kind + "s set " + what + " where id = " + document }
				drop := fmt.Sprintf("delete from %[1]s_lines where %[1]s_id = %[2]s", k.kind, document)
				write := map[string]func() []string{
					"status":   func() []string { return []string{update("status = '" + one("status", statuses...) + "'")} },
					"date":     func() []string { return []string{update(k.dated + " = '2026-02-" + one("day", "01", "28") + "'")} },
					"owner":    func() []string { return []string{update("owner_id = " + id("owner", owners))} },
					"customer": func() []string { return []string{update("customer_id = " + id("customer", customers))} },
					"currency": func() []string {
						return []string{update("currency = 'USD', rate_to_base = " + one("rate", "0.9", "0.95"))}
					},
					"amount": func() []string { return []string{update("untaxed = 7, total = 7")} },
					"delete": func() []string { return []string{update("deleted_at = now()")} },
					"revive": func() []string { return []string{update("deleted_at = null")} },
					"lines":  func() []string { return append([]string{drop}, lines(document)...) },
					"lines, status": func() []string {
						return append(append([]string{drop}, lines(document)...), update("status = '"+one("status", statuses...)+"'"))
					},
					"a line":    func() []string { return []string{drop, line(document, 0), line(document, 5)} },
					"hand over": func() []string { return []string{"update " + k.kind + "s set owner_id = " + id("owner", owners)} },
					"merge": func() []string {
						return []string{"update " + k.kind + "_lines set product_id = '" + products[0].String() + "' where product_id = '" + products[1].String() + "'"}
					},
					"revalue": func() []string {
						return []string{"update " + k.kind + "_lines set untaxed = untaxed + 1, seq = seq + 10 where " + k.kind + "_id = " + document}
					},
					"erase": func() []string { return []string{"delete from " + k.kind + "s where id = " + document} },
				}
				how := one("write", "status", "date", "owner", "customer", "currency", "amount", "delete", "revive", "lines", "lines, status", "a line", "hand over", "merge", "revalue", "erase")
				b.exec(t, write[how]()...)
				documents = nil
				for _, text := range b.texts(t, "select id::text from "+k.kind+"s order by 1") {
					documents = append(documents, uuid.MustParse(text))
				}
				want := b.texts(t, fmt.Sprintf(liveLines, k.kind, k.kept, k.dated, k.uncounted))
				if diff := cmp.Diff(want, b.texts(t, fmt.Sprintf(keptLines, k.kind, k.kept))); diff != "" {
					rt.Fatalf("%s after %s (-want +got):\n%s", k.kept, how, diff)
				}
				want = b.texts(t, fmt.Sprintf(liveDocuments, k.kind, k.dated, k.uncounted, k.more))
				if diff := cmp.Diff(want, b.texts(t, fmt.Sprintf(keptDocuments, k.kind, k.documents, k.more))); diff != "" {
					rt.Fatalf("%s after %s (-want +got):\n%s", k.documents, how, diff)
				}
			}
		})
	}
}

const (
	liveRegions = `
select distinct on (c.id) format('%s', row(c.id, c.owner_id, a.country, a.province))
from customers c join customer_addresses a on a.customer_id = c.id
order by c.id, a.kind <> 'bill', a.seq`
	keptRegions = `
select format('%s', row(customer_id, owner_id, country, province)) from customer_regions order by customer_id`
)

func TestKeptRegionsAreThoseOfTheBillAddresses(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	rapid.Check(t, func(rt *rapid.T) {
		b := openBooks(t, db)
		owners := []uuid.UUID{newID(), newID()}
		for _, owner := range owners {
			b.insert(t, "users", map[string]any{"id": owner, "login": owner.String(), "name": "User"})
		}
		customers := []uuid.UUID{newID(), newID()}
		for i, id := range customers {
			b.insert(t, "customers", with(customerRow(id, fmt.Sprintf("C%d", i)), map[string]any{"owner_id": owners[i]}))
		}
		one := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, name) }
		id := func(name string, of []uuid.UUID) string {
			return "'" + rapid.SampledFrom(of).Draw(rt, name).String() + "'"
		}
		address := func(customer string, seq int) string {
			return fmt.Sprintf("insert into customer_addresses (customer_id, seq, kind, country, province) values (%s, %d, %s, %s, %s) on conflict do nothing",
				customer, seq, one("kind", "'bill'", "'ship'"), one("country", "null", "'DE'", "'CN'"), one("province", "null", "'X'", "'Y'"))
		}
		for i := range rapid.IntRange(1, 12).Draw(rt, "writes") {
			of := id("customer", customers)
			seq := rapid.IntRange(0, 2).Draw(rt, "seq")
			at := fmt.Sprintf(" where customer_id = %s and seq = %d", of, seq)
			write := map[string]func() []string{
				"add": func() []string { return []string{address(of, seq)} },
				"change": func() []string {
					return []string{"update customer_addresses set province = " + one("province", "null", "'Z'") + at}
				},
				"turn": func() []string {
					return []string{"update customer_addresses set kind = " + one("kind", "'bill'", "'ship'") + at}
				},
				"drop": func() []string { return []string{"delete from customer_addresses" + at} },
				"anew": func() []string {
					return []string{"delete from customer_addresses where customer_id = " + of, address(of, 0), address(of, 1)}
				},
				"move": func() []string {
					return []string{fmt.Sprintf("update customer_addresses set seq = %d, customer_id = %s", 10+i, id("to", customers)) + at}
				},
				"give": func() []string {
					return []string{"update customers set owner_id = " + one("owner", "null", "'"+owners[0].String()+"'") + " where id = " + of}
				},
				"erase": func() []string { return []string{"delete from customers where id = " + of} },
			}
			how := one("write", "add", "add", "change", "turn", "drop", "anew", "move", "give", "erase")
			if how == "erase" || how == "move" || how == "add" || how == "anew" {
				customers = nil
				for _, text := range b.texts(t, "select id::text from customers order by 1") {
					customers = append(customers, uuid.MustParse(text))
				}
				if len(customers) == 0 {
					break
				}
				of = id("customer there", customers)
				at = fmt.Sprintf(" where customer_id = %s and seq = %d", of, seq)
			}
			b.exec(t, write[how]()...)
			if diff := cmp.Diff(b.texts(t, liveRegions), b.texts(t, keptRegions)); diff != "" {
				rt.Fatalf("after %s (-want +got):\n%s", how, diff)
			}
		}
	})
}

// cohorts is the log, read anew in its order.
const cohorts = `
select format('%s', row(e.to_stage, count(*), count(*) filter (where e.reached > e.seq), sum(e.stays), round(sum(round(e.seconds / 86400.0, 2)), 2)))
from (
	select g.opportunity_id, g.to_stage, g.seq, max(g.reached) as reached, count(g.left_at) as stays, extract(epoch from sum(g.left_at - g.at)) as seconds
	from (
		select l.opportunity_id, l.to_stage, l.at, s.seq, s.kind,
			lead(l.at) over (partition by l.opportunity_id order by l.version) as left_at,
			max(case when s.kind <> 'lost' then s.seq end) over (partition by l.opportunity_id order by l.version rows between 1 following and unbounded following) as reached
		from opportunity_stage_log l
		join opportunities d on d.id = l.opportunity_id and d.deleted_at is null
		left join pipeline_stages s on s.pipeline_id = l.pipeline_id and s.code = l.to_stage and l.pipeline_id = $1
		where l.at >= $2::date
	) g
	where g.kind = 'open' and g.at < $3::date + 1
	group by g.opportunity_id, g.to_stage, g.seq
) e
group by e.to_stage, e.seq order by e.seq`

const (
	liveStays = `
select format('%s', row(l.opportunity_id, l.version, l.to_stage, l.at, d.customer_id, d.owner_id, d.status, d.deleted_at is not null))
from opportunity_stage_log l join opportunities d on d.id = l.opportunity_id order by 1`
	keptStays = `
select format('%s', row(opportunity_id, version, stage, entered_at, customer_id, owner_id, status, deleted)) from opportunity_stays order by 1`
)

func literal(value any) string {
	if value == nil {
		return "null"
	}
	return fmt.Sprintf("'%s'", value)
}

func TestKeptStaysAreThoseOfTheLog(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	rapid.Check(t, func(rt *rapid.T) {
		b := openBooks(t, db)
		customer, owner := newID(), newID()
		b.insert(t, "users", map[string]any{"id": owner, "login": owner.String(), "name": "User"})
		b.insert(t, "customers", customerRow(customer, "C"))
		pipelines := []uuid.UUID{newID(), newID()}
		for i, p := range pipelines {
			pipeline, stages := pipelineRows(p, i == 0)
			b.insert(t, "pipelines", pipeline)
			b.insert(t, "pipeline_stages", stages...)
		}
		var deals []map[string]any
		for range rapid.IntRange(1, 3).Draw(rt, "deals") {
			deals = append(deals, opportunityRow(pipelines[0], customer, "qualify", "10"))
		}
		b.insert(t, "opportunities", deals...)
		at := time.Date(2025, 12, 20, 0, 0, 0, 0, time.UTC)
		for version := range rapid.IntRange(1, 12).Draw(rt, "moves") {
			at = at.Add(time.Duration(rapid.IntRange(0, 200).Draw(rt, "hours later")) * time.Hour)
			for _, deal := range deals {
				if rapid.Bool().Draw(rt, "moves") {
					b.insert(t, "opportunity_stage_log", map[string]any{
						"opportunity_id": deal["id"], "version": version, "at": at, "by": "system", "pipeline_id": rapid.SampledFrom(pipelines).Draw(rt, "pipeline"),
						"to_stage": rapid.SampledFrom([]string{"qualify", "proposal", "contract", "won", "lost", "gone"}).Draw(rt, "stage"),
					})
				}
			}
			if rapid.Bool().Draw(rt, "the pipeline changes") {
				b.exec(t, "update pipeline_stages set seq = 100 + seq", "update pipeline_stages set seq = 104 - seq")
			}
		}
		for _, deal := range deals {
			for what, value := range map[string]any{"owner_id": rapid.SampledFrom([]any{nil, owner}).Draw(rt, "owner"), "deleted_at": rapid.SampledFrom([]any{nil, nil, "2026-03-01"}).Draw(rt, "deleted")} {
				b.exec(t, fmt.Sprintf("update opportunities set %s = %s where id = '%s'", what, literal(value), deal["id"]))
			}
			if rapid.Bool().Draw(rt, "lost") {
				b.exec(t, fmt.Sprintf("update opportunities set status = 'lost', lost_reason = 'price', closed_at = now() where id = '%s'", deal["id"]))
			}
		}
		if diff := cmp.Diff(b.texts(t, liveStays), b.texts(t, keptStays)); diff != "" {
			rt.Fatalf("(-want +got):\n%s", diff)
		}
		for _, p := range pipelines {
			given := report.Parameters{"pipeline_id": p.String(), "from": rapid.SampledFrom([]string{"2025-12-01", "2026-01-01"}).Draw(rt, "from"), "to": rapid.SampledFrom([]string{"2026-01-10", "2026-03-01"}).Draw(rt, "to")}
			want := b.texts(t, cohorts, p, given["from"], given["to"])
			got := []string{}
			for _, row := range b.run(t, "stage-conversion", given).Rows {
				days := ""
				if row["days"] != nil {
					days = dec(row["days"]).StringFixed(2)
				}
				got = append(got, fmt.Sprintf("(%s,%s,%s,%s,%s)", row["key"], dec(row["entered"]), dec(row["advanced"]), dec(row["stays"]), days))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("%v (-want +got):\n%s", given, diff)
			}
		}
	})
}

// Amounts are kept in the base currency.
func TestBaseCurrencyStays(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	if err := b.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update organizations set base_currency = 'USD'")
		return err
	}); err == nil {
		t.Error("the base currency changed")
	}
}

// Who reaches a part of the documents has the sums of that part, also of the rows that are kept beside them.
func TestKeptRowsAreReachedAsTheirDocuments(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	customer, product, mine, colleague := newID(), newID(), newID(), newID()
	b.insert(t, "customers", customerRow(customer, "C"))
	b.insert(t, "products", entity(map[string]any{"id": product, "sku": "P", "name": "P"}))
	pipeline, stages := pipelineRows(newID(), true)
	b.insert(t, "pipelines", pipeline)
	b.insert(t, "pipeline_stages", stages...)
	for amount, owner := range map[string]any{"3": mine, "7": colleague, "5": nil} {
		if owner != nil {
			b.insert(t, "users", map[string]any{"id": owner, "login": amount, "name": "User"})
		}
		of := map[string]any{"owner_id": owner}
		order, invoice := with(orderRow(customer, "2026-03-01", amount), of), with(invoiceRow(customer, "2026-03-01", amount), of)
		b.insert(t, "orders", order)
		b.insert(t, "order_lines", map[string]any{"order_id": order["id"], "seq": 0, "product_id": product, "description": "P", "qty": 1, "price": amount, "untaxed": amount, "tax": 0})
		b.insert(t, "invoices", invoice)
		opportunity := with(opportunityRow(pipeline["id"].(uuid.UUID), customer, "proposal", amount), of)
		b.insert(t, "opportunities", opportunity)
		b.insert(t, "opportunity_stage_log", map[string]any{
			"opportunity_id": opportunity["id"], "version": 1, "at": "2026-03-01", "by": "system", "pipeline_id": pipeline["id"], "to_stage": "proposal",
		})
	}
	for scope, want := range map[postgres.Scope]struct{ revenue, entered string }{
		postgres.ScopeOwn: {"3", "1"}, postgres.ScopeDepartment: {"10", "2"}, postgres.ScopeOrganization: {"15", "3"},
	} {
		person := &books{db: b.db, store: b.store, who: postgres.Principal{
			Organization: b.who.Organization, Actor: postgres.User(mine),
			Reach: postgres.NewReach(postgres.Owners{Own: mine, Department: []uuid.UUID{mine, colleague}}, map[string]postgres.Scope{"*.read": scope}),
		}}
		for _, r := range []struct{ name, by, measure, want string }{
			{"booked", "month", "revenue", want.revenue},
			{"booked", "customer", "revenue", want.revenue},
			{"booked", "country", "revenue", want.revenue},
			{"booked", "product", "revenue", want.revenue},
			{"invoiced", "month", "revenue", want.revenue},
			{"invoiced", "province", "revenue", want.revenue},
			{"invoiced", "product", "revenue", want.revenue},
			{"stage-conversion", "", "entered", want.entered},
		} {
			given := report.Parameters{}
			if r.by != "" {
				given["by"] = r.by
			}
			result := person.run(t, r.name, given)
			if len(result.Totals) != 1 || fmt.Sprint(result.Totals[0][r.measure]) != r.want {
				t.Errorf("%s of %s by %q is %v, not %s", r.name, scope, r.by, result.Totals, r.want)
			}
			if rows := person.behind(t, r.name, given, report.Behind{}); fmt.Sprint(len(rows)) != want.entered {
				t.Errorf("%s of %s by %q has %d rows, not %s", r.name, scope, r.by, len(rows), want.entered)
			}
		}
	}
}
