package report

import (
	"strings"

	"crmhub/core/crm"
)

// booked and invoiced are one report over two kinds of documents.

func booked() Report {
	return Report{
		Name: "booked", Title: Text{"Revenue booked", "订单销售额"},
		Amounts: []crm.Kind{crm.KindOrder},
		Definition: Text{
			En: "Untaxed amount of the orders dated in the period that are confirmed, in progress, on hold, completed or closed short (an order " +
				"closed short counts as ordered); drafts, submitted and cancelled orders do not count. Amounts are turned into the base currency at " +
				"each order's own rate and rounded order by order (line by line for product and category). Previous is the period of the same length " +
				"that ends the day before, whole months against as many whole months; change is (revenue − previous) / previous. " +
				"Regions are those of the customer's present bill address.",
			Zh: "期间内已确认、执行中、挂起、已完成或提前关闭的订单的不含税金额（提前关闭的订单按订购金额计）；草稿、已提交和已取消的订单不计。" +
				"金额按各订单自身汇率折算为本位币并逐单舍入（按产品、类别时逐行舍入）。上期为紧接在本期之前的等长期间，整月对比同样数量的整月；" +
				"环比 =（本期 − 上期）÷ 上期。地区取客户当前的账单地址。",
		},
		Parameters: revenueParameters(),
		facts:      func(by string) facts { return revenue("order", "booked", by) },
	}
}

func invoiced() Report {
	return Report{
		Name: "invoiced", Title: Text{"Revenue invoiced", "开票销售额"},
		Amounts: []crm.Kind{crm.KindInvoice},
		Definition: Text{
			En: "Untaxed amount of the invoices issued in the period less that of the credit notes issued in it; drafts and cancelled invoices do not count. " +
				"Amounts are turned into the base currency at each invoice's own rate and rounded invoice by invoice (line by line for product and category). " +
				"Previous is the period of the same length that ends the day before, whole months against as many whole months; " +
				"change is (revenue − previous) / previous. Regions are those of the customer's present bill address.",
			Zh: "期间内开具的发票的不含税金额，减去期间内开具的红字（贷项）发票；草稿和作废的发票不计。金额按各发票自身汇率折算为本位币并逐张舍入" +
				"（按产品、类别时逐行舍入）。上期为紧接在本期之前的等长期间，整月对比同样数量的整月；环比 =（本期 − 上期）÷ 上期。地区取客户当前的账单地址。",
		},
		Parameters: revenueParameters(),
		facts:      func(by string) facts { return revenue("invoice", "invoiced", by) },
	}
}

func revenueParameters() []Parameter {
	return []Parameter{
		from(), to(), by("month", "owner", "customer", "product", "category", "country", "province", "currency"),
		ownerID(), customerID(), currency(), perCurrency(), limit(),
	}
}

// revenueSQL is the text of both, by what documents say or by their lines, which are kept apart and only while the document
// counts. A document without lines has its amount all the same. The number is asked for one by one, since only the rows
// behind a number show it: a join would keep the sums from reading the index alone.
const revenueSQL = `
select '{kind}' as kind, d.{kind}_id as id, {seq} as seq, {key} as key, ` + documentCurrency + ` as currency,
	(select o.number from {kind}s o where o.id = d.{kind}_id) as number, d.date, d.customer_id,
	case when d.date >= @from::date then 1 end as documents,
	case when d.date >= @from::date then {amount} end as revenue,
	case when d.date < @from::date then {amount} end as previous
from {kept} d{join}
where d.date between @before::date and @to::date
	and ` + documentFilter

// lineSums sums lines up by product and period before it looks at what products are. There are more lines than documents.
const lineSums = `
	select {key} as key, d.currency, sum(case when d.late then d.lines end) as documents, sum(case when d.late then d.amount end) as revenue,
		sum(case when not d.late then d.amount end) as previous
	from (
		select d.product_id, ` + documentCurrency + ` as currency, d.date >= @from::date as late, count(*) as lines, sum({amount}) as amount
		from {kept} d
		where d.date between @before::date and @to::date
			and ` + documentFilter + `
		group by 1, 2, 3
	) d{join}
	group by 1, 2`

func revenue(kind, done, by string) facts {
	d := dimensions("d.date")[by]
	kept, seq, sums, counted := done+"_documents", "0", "", measure("documents", TypeInteger, "Documents", "单据数")
	if d.inLine {
		kept, seq, sums, counted = done+"_lines", "d.seq", lineSums, measure("documents", TypeInteger, "Lines", "行数")
	}
	in := strings.NewReplacer("{kind}", kind, "{kept}", kept, "{seq}", seq, "{amount}", bookedAmount, "{key}", d.sql, "{join}", d.join)
	order := d.order
	if order == "" {
		order = "revenue desc nulls last"
	}
	return facts{
		sql: in.Replace(revenueSQL), sums: in.Replace(sums),
		key: &d.key, label: d.label, order: order,
		measures: []Column{
			measure("revenue", TypeAmount, "Revenue", "销售额"), counted,
			measure("previous", TypeAmount, "Previous period", "上期"),
		},
		derived: []Column{
			derived("change", TypePercent, "Change", "环比", `round(100 * (coalesce(g.revenue, 0) - g.previous) / nullif(abs(g.previous), 0), 2)`),
		},
		record: documentColumns(),
	}
}
