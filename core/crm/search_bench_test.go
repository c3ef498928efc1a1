package crm_test

import (
	"context"
	"flag"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
)

var customers = flag.Int("customers", 20_000, "how many customers BenchmarkSearch looks through")

// insertCustomers makes customers, every fourth with a Latin name, the others with a Chinese one.
const insertCustomers = `
insert into customers (id, version, code, name, kind, lifecycle, phone, email, tax_id, created_at, created_by, updated_at, updated_by)
select gen_random_uuid(), 1, 'C-' || lpad(i::text, 7, '0'),
	case when n % 4 = 0 then (array['North', 'East', 'South', 'West'])[1 + n / 4 % 4] || (array['wind', 'star', 'field', 'gate'])[1 + n / 16 % 4] || ' ' || n || ' Trading GmbH'
		else (array['上海', '北京', '深圳', '广州', '杭州', '成都', '武汉', '南京'])[1 + n % 8]
			|| chr(19968 + ('x' || substr(md5(n::text), 1, 3))::bit(12)::integer % 3000) || chr(19968 + ('x' || substr(md5(n::text), 4, 3))::bit(12)::integer % 3000) || chr(19968 + ('x' || substr(md5(n::text), 7, 3))::bit(12)::integer % 3000) || (array['科技', '贸易', '机械'])[1 + n % 3] || '有限公司' end,
	'company', 'lead', '1' || 3 + n % 6 || lpad((n::bigint * 15485863 % 1000000000)::text, 9, '0'), 'u' || i || '@d' || i % 5000 || '.com', 'DE' || lpad(i::text, 9, '0'),
	now() - make_interval(secs => $1::integer - i), 'system', now() - make_interval(secs => $1::integer - i), 'system'
from generate_series(1, $1::integer) i cross join lateral (select i) n (n)`

func (s *shop) fill(b *testing.B, customers int) {
	b.Helper()
	err := s.as(b, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insertCustomers, customers)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := crm.FillSearch(b.Context(), s.db); err != nil {
		b.Fatal(err)
	}
	err = s.as(b, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "reset role"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "analyze customers")
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSearch asks for rare and for frequent texts, of the search and of a list; -customers says how many there are.
func BenchmarkSearch(b *testing.B) {
	s := newShop(b)
	s.fill(b, *customers)
	for _, text := range []string{"northwind 12", "nor", "n", "上", "上海", "科技有限公司", "C-0012345", "1391", "gmbh"} {
		b.Run(fmt.Sprintf("search %s", text), func(b *testing.B) {
			for b.Loop() {
				s.search(b, crm.KindCustomer, text)
			}
		})
		b.Run(fmt.Sprintf("list %s", text), func(b *testing.B) {
			for b.Loop() {
				s.list(b, crm.KindCustomer, crm.Query{Text: text})
			}
		})
	}
}
