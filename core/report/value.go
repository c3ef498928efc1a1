package report

import "crmhub/core/crm"

func customerValue() Report {
	return Report{
		Name: "customer-value", Title: Text{"Customer value", "客户价值"},
		Amounts: []crm.Kind{crm.KindOrder}, Fields: customerOf(crm.KindOrder),
		Definition: Text{
			En: "What a customer is worth if he goes on as he did: average order × orders a year × years, which is the untaxed amount of his orders that count " +
				"(confirmed or later, not cancelled) in the days up to the day chosen, in the base currency, × 365 / days × years. It knows no margin, no interest and no churn.",
			Zh: "假定客户保持现状的价值：客单价 × 年订单数 × 年数，即截至所选日期的若干天内有效订单（已确认及之后且未取消）的不含税金额（本位币）× 365 ÷ 天数 × 年数。" +
				"不考虑毛利、利息与流失。",
		},
		Parameters: []Parameter{
			asOf(), integer("days", 365, 3660, Text{"Length of the window in days, the day chosen included.", "统计窗口天数（含所选日期当日）。"}),
			integer("years", 3, 20, Text{"How many years a customer is expected to stay.", "预计客户留存的年数。"}),
			ownerID(), customerID(), currency(), perCurrency(), limit(),
		},
		facts: func(string) facts {
			return facts{
				sql: valueSQL(), key: &Column{Name: "customer", Type: TypeID, Title: Text{"Customer", "客户"}}, label: customerName,
				order: "revenue desc nulls last",
				measures: []Column{
					measure("revenue", TypeAmount, "Revenue", "销售额"), measure("orders", TypeInteger, "Orders", "订单数"),
				},
				derived: []Column{
					derived("average", TypeAmount, "Average order", "客单价", "round(g.revenue / g.orders, @digits::integer)"),
					derived("yearly", TypeDecimal, "Orders a year", "年订单数", "round(g.orders * 365.0 / @days::integer, 2)"),
					derived("value", TypeAmount, "Value", "价值", "round(g.revenue * 365 * @years::integer / @days::integer, @digits::integer)"),
				},
				record: documentColumns(),
			}
		},
	}
}

func valueSQL() string {
	return `
select 'order' as kind, d.order_id as id, 0 as seq, d.customer_id as key, ` + documentCurrency + ` as currency,
	(select o.number from orders o where o.id = d.order_id) as number, d.date, d.customer_id,
	` + bookedAmount + ` as revenue, 1 as orders
from booked_documents d
where d.date > @as_of::date - @days::integer and d.date <= @as_of::date
	and ` + documentFilter
}
