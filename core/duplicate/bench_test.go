package duplicate_test

import (
	"context"
	"flag"
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/duplicate"
)

var customers = flag.Int("customers", 20_000, "how many customers BenchmarkFind looks through")

// insertCustomers makes customers of which the last hundredth repeats names and phones of others, one by one.
const insertCustomers = `
insert into customers (id, version, code, name, kind, lifecycle, phone, email, created_at, created_by, updated_at, updated_by)
select gen_random_uuid(), 1, 'C-' || i, (array['上海', '北京', '深圳', '广州', '杭州', '成都', '武汉', '南京'])[1 + n % 8]
		|| chr(19968 + ('x' || substr(md5(n::text), 1, 3))::bit(12)::integer % 3000) || chr(19968 + ('x' || substr(md5(n::text), 4, 3))::bit(12)::integer % 3000) || chr(19968 + ('x' || substr(md5(n::text), 7, 3))::bit(12)::integer % 3000) || (array['科技', '贸易', '机械'])[1 + n % 3] || '有限公司',
	'company', 'lead', '1' || 3 + n % 6 || lpad((n::bigint * 15485863 % 1000000000)::text, 9, '0'), 'u' || i || '@d' || i % 5000 || '.com',
	now(), 'system', now(), 'system'
from generate_series(1, $1::integer) i cross join lateral (select case when i > $1::integer / 100 * 99 then i - $1::integer / 100 * 99 else i end) n (n)`

// BenchmarkFind finds the duplicates of a store in which each hundredth customer is one.
func BenchmarkFind(b *testing.B) {
	o := newOffice(b)
	o.do(b, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insertCustomers, *customers)
		return err
	})
	if _, err := crm.FillSearch(b.Context(), o.db); err != nil {
		b.Fatal(err)
	}
	o.admin(b, "analyze customers")
	found := 0
	for b.Loop() {
		o.do(b, func(ctx context.Context, tx pgx.Tx) (err error) {
			found, err = duplicate.Find(ctx, tx, crm.KindCustomer)
			return err
		})
	}
	b.ReportMetric(float64(found), "pairs")
	if found < *customers/100 {
		b.Errorf("found %d pairs, there are %d", found, *customers/100)
	}
}
