package crm

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
)

// A page is found along an index, however deep it is, and under the policies of who reads it: an index may answer only for some operators there.
func TestQuickListsAreReadAlongAnIndex(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	who := postgrestest.Organization(t, db)
	who.Actor = postgres.User(uuid.New())
	for _, k := range Kinds() {
		for _, name := range QuickSorts(k) {
			for _, desc := range []bool{false, true} {
				l := listing{kind: k, table: tableOf(k), owned: Owned(k)}
				q := Query{Sort: []Sort{{Field: name, Desc: desc}}}
				l.sortBy(q.Sort)
				m := mark{Sort: l.order()}
				for _, s := range l.sort {
					m.Values = append(m.Values, map[fieldType]string{
						text: "m", number: "7.5", day: "2026-11-01", instant: "2026-11-01T00:00:00Z", id: uuid.Nil.String(),
					}[s.typ])
				}
				after, err := json.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				q.After = base64.RawURLEncoding.EncodeToString(after)
				l = listing{kind: k, table: tableOf(k), owned: Owned(k)}
				wants := map[bool]string{false: ">", true: "<"}[desc]
				if plan := explain(t, db, who, l.statement(q), l.args); !slices.ContainsFunc(plan, func(line string) bool {
					return strings.Contains(line, "Index Cond:") && strings.Contains(line, wants)
				}) || slices.ContainsFunc(plan, func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "->  Sort") }) {
					t.Errorf("%s by %s:\n%s", k.Plural(), name, strings.Join(plan, "\n"))
				}
			}
		}
		for _, name := range quickFilters(k) {
			l := listing{kind: k, table: tableOf(k), owned: Owned(k)}
			f, ok := l.find("", name)
			if !ok {
				t.Fatalf("%s have no %s", k.Plural(), name)
			}
			c := Condition{Field: name, Op: OpEqual, Value: "true"}
			switch {
			case len(f.enum) > 0:
				c.Value = f.enum[0]
			case f.typ == day:
				c.Op, c.Value = OpGreaterEqual, "2026-11-01"
			case f.typ == instant:
				c.Op, c.Value = OpGreaterEqual, "2026-11-01T00:00:00Z"
			}
			plan := explain(t, db, who, l.statement(Query{Filter: []Condition{c}}), l.args, "set local enable_sort = on", "set local enable_indexscan = off")
			if !slices.ContainsFunc(plan, func(line string) bool { return strings.Contains(line, "Bitmap Index Scan on "+k.Plural()+"_") }) {
				t.Errorf("%s with %s:\n%s", k.Plural(), name, strings.Join(plan, "\n"))
			}
		}
	}
}

// What people choose from and whose a row is stands in the index of each order: no row is read that is none of the page's.
func TestNarrowedListsAreFoundInTheIndexAlone(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	who := postgrestest.Organization(t, db)
	who.Actor = postgres.User(uuid.New())
	owners := []uuid.UUID{uuid.New(), uuid.New()}
	for _, k := range Kinds() {
		if QuickSorts(k) == nil {
			continue
		}
		var filter []Condition
		for _, name := range quickFilters(k) {
			switch f, _ := tableOf(k).column(name); {
			case len(f.enum) > 0:
				filter = append(filter, Condition{Field: name, Op: OpIn, Value: f.enum[:1]})
			case f.typ == boolean:
				filter = append(filter, Condition{Field: name, Op: OpEqual, Value: "true"})
			}
		}
		for _, name := range QuickSorts(k) {
			switch f, _ := tableOf(k).column(name); f.typ {
			case day:
				filter = append(filter, Condition{Field: name, Op: OpLessEqual, Value: "2026-11-01"})
			case instant:
				filter = append(filter, Condition{Field: name, Op: OpLessEqual, Value: "2026-11-01T00:00:00Z"})
			case number:
				filter = append(filter, Condition{Field: name, Op: OpGreaterEqual, Value: "100"})
			}
		}
		for _, name := range QuickSorts(k) {
			for n := range len(owners) + 1 {
				l := listing{kind: k, table: tableOf(k), owned: Owned(k)}
				sql := l.statement(Query{Sort: []Sort{{Field: name}}, Filter: filter, Owners: owners[:n:n]})
				if n == 0 {
					l = listing{kind: k, table: tableOf(k), owned: Owned(k)}
					sql = l.statement(Query{Sort: []Sort{{Field: name}}, Filter: filter})
				}
				if err := l.violations.Err(); err != nil {
					t.Fatal(err)
				}
				statements := map[string][]any{sql: l.args}
				if l.walked != "" {
					statements[l.walked] = append(slices.Clone(l.args), int64(few))
				}
				for sql, args := range statements {
					plan := explain(t, db, who, sql, args, "set local enable_bitmapscan = off")
					if !slices.ContainsFunc(plan, func(line string) bool { return strings.Contains(line, "Index Only Scan") }) {
						t.Errorf("%s by %s of %d owners:\n%s", k.Plural(), name, n, strings.Join(plan, "\n"))
					}
				}
			}
		}
	}
}

// What is still to be paid has an index in the order of its days, in which nothing is looked for: a year's paid invoices lie before the first one.
func TestWhatIsOwedIsReadAlongItsIndex(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	who := postgrestest.Organization(t, db)
	who.Actor = postgres.User(uuid.New())
	filter := []Condition{
		{Field: "residual", Op: OpGreater, Value: "0"},
		{Field: "due_date", Op: OpLessEqual, Value: "2026-12-05"},
		{Field: "status", Op: OpIn, Value: []string{"issued", "credited_partial"}},
	}
	l := listing{kind: KindInvoice, table: tableOf(KindInvoice), owned: true}
	sql := l.statement(Query{Sort: []Sort{{Field: "due_date"}}, Filter: filter})
	plan := explain(t, db, who, sql, l.args, "set local enable_bitmapscan = off")
	if l.rows != "" || l.walked != "" || !slices.ContainsFunc(plan, func(line string) bool { return strings.Contains(line, "Index Scan using invoices_owed on") }) {
		t.Errorf("walked %q\n%s", l.walked, strings.Join(plan, "\n"))
	}
}

// explain is the plan of who takes an index wherever one answers.
func explain(t *testing.T, db *postgres.DB, who postgres.Principal, sql string, args []any, settings ...string) (plan []string) {
	t.Helper()
	err := db.As(t.Context(), who, func(tx pgx.Tx) error {
		for _, s := range append([]string{"set local enable_seqscan = off", "set local enable_sort = off"}, settings...) {
			if _, err := tx.Exec(t.Context(), s); err != nil {
				return err
			}
		}
		rows, err := tx.Query(t.Context(), "explain (costs off) "+sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
		if err != nil {
			return err
		}
		plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return plan
}
