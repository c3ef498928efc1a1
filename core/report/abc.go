package report

import "crmhub/core/crm"

func abc() Report {
	return Report{
		Name: "abc", Title: Text{"ABC classes of customers", "客户 ABC 分类"},
		Amounts: []crm.Kind{crm.KindOrder}, Fields: customerOf(crm.KindOrder),
		Definition: Text{
			En: "Customers by the untaxed amount, in the base currency, of their orders that count (confirmed or later, not cancelled) in the period, the greatest " +
				"first. A customer is in class A while those ahead of him together have less than 80 % of the whole, in B while less than 95 %, else in C. " +
				"Ahead are those with more, not with as much: customers with the same amount are in the same class.",
			Zh: "按客户在期间内有效订单（已确认及之后且未取消）的不含税金额（本位币）从大到小排列。排在其前的客户合计不足总额 80% 时为 A 类，" +
				"不足 95% 时为 B 类，其余为 C 类。“排在其前”指金额更大者：金额相同的客户归入同一类。",
		},
		Parameters: []Parameter{from(), to(), ownerID(), currency(), limit()},
		facts: func(string) facts {
			return facts{
				sql: abcSQL(), key: &Column{Name: "class", Type: TypeText, Title: Text{"Class", "类别"}}, order: "key",
				measures: []Column{
					measure("customers", TypeInteger, "Customers", "客户数"), measure("revenue", TypeAmount, "Revenue", "销售额"),
					measure("orders", TypeInteger, "Orders", "订单数"),
				},
				derived: []Column{
					derived("share", TypePercent, "Share of revenue", "销售额占比", "round(100 * g.revenue / nullif((select sum(revenue) from grouped), 0), 2)"),
				},
				record: []Column{
					measure("code", TypeText, "Code", "编号"), measure("name", TypeText, "Name", "名称"),
					measure("level", TypeText, "Level set by hand", "手工级别"),
				},
			}
		},
	}
}

func abcSQL() string {
	return `
select 'customer' as kind, s.customer_id as id, 0 as seq, @base::text as currency,
	case when s.ahead < 0.80 * s.whole then 'A' when s.ahead < 0.95 * s.whole then 'B' else 'C' end as key,
	1 as customers, s.revenue, s.orders, c.code, c.name, c.level
from (
	select b.*, sum(b.revenue) over () as whole,
		coalesce(sum(b.revenue) over (order by b.revenue desc groups between unbounded preceding and 1 preceding), 0) as ahead
	from (
		select d.customer_id, count(*) as orders, sum(d.base) as revenue
		from booked_documents d
		where d.date between @from::date and @to::date
			and (@owner_id::uuid is null or d.owner_id = @owner_id::uuid) and (@currency::text is null or d.currency = @currency::text)
		group by d.customer_id
	) b
) s
left join customers c on c.id = s.customer_id`
}
