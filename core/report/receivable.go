package report

import "crmhub/core/crm"

// Receivables: what is owed as of a day, how long it has been, and when it should come in.

// later are the payments, posted by now, of days after a day, by the invoices they settled.
func later(day string) string {
	return `(
		select a.invoice_id, sum(a.amount) as amount
		from payments p join payment_allocations a on a.payment_id = p.id
		where p.date > ` + day + ` and p.status = 'posted' and p.deleted_at is null
		group by a.invoice_id
	) l`
}

// openSQL are the invoices that were open on a day: what is still open now, and what was paid since.
// A credit note counts from the day it was issued. Few invoices are open, and they have an index.
func openSQL(day string) string {
	return `(
	select d.*, d.residual + coalesce(l.amount, 0) as open
	from invoices d left join ` + later(day) + ` on l.invoice_id = d.id
	where ` + stillOpen(day) + `
	union all
	select d.*, l.amount
	from ` + later(day) + ` join invoices d on d.id = l.invoice_id
	where ` + invoiceCounts + ` and d.residual = 0 and d.issue_date <= ` + day + `
) d`
}

// stillOpen are the invoices of openSQL that have something open now.
func stillOpen(day string) string {
	return invoiceCounts + ` and d.residual <> 0 and d.issue_date <= ` + day
}

// paidLater is a common table expression: the customers of the invoices that payments of days after a day settled.
func paidLater(day string) string {
	return `paid_later (key) as materialized (
	select d.customer_id from ` + later(day) + ` join invoices d on d.id = l.invoice_id
)`
}

// debtors are two common table expressions, paidLater and who comes first of those who owed something on that day, with paid_later: what they
// owed is not added up yet. It ranks by sums of floats, in the order of an index that holds these, which are no more than a cent or so
// from the amounts: so a few more come along.
func debtors(day string) string {
	return paidLater(day) + `, debtors (key) as materialized (
	(select d.key
	from (
		select d.customer_id as key, case when @per_currency::boolean then d.currency end as currency,
			d.residual::float8 * case when @per_currency::boolean or d.rate_to_base = 1 then 1 else d.rate_to_base::float8 end as open
		from invoices d
		where ` + stillOpen(day) + ` and ` + notPaidLater + ` and ` + documentFilter + `
		order by 1, 2 offset 0
	) d
	group by d.key, d.currency
	order by round(sum(d.open) * 10 ^ @digits::integer) desc, d.key, d.currency limit @limit::bigint + 20)
	union all select key from paid_later
)`
}

const notPaidLater = `d.customer_id <> all (array(select key from paid_later))`

func receivablesAging() Report {
	return Report{
		Name: "receivables-aging", Title: Text{"Receivables aging", "应收账款账龄"},
		Amounts: []crm.Kind{crm.KindInvoice},
		Definition: Text{
			En: "What was open on the day chosen of the invoices and credit notes issued until then, tax included, by the days since it was due: not due, 1–30, 31–60, 61–90, more " +
				"than 90. Without a due date an invoice is due the day it is issued. Open on a day is what is open now plus what payments of later days settled. " +
				"Credit notes not yet settled are negative. In the base currency amounts are turned at each invoice's own rate.",
			Zh: "截至所选日期已开具的发票与红字发票的未清金额（含税），按逾期天数分段：未到期、1–30、31–60、61–90、90 天以上。无到期日的发票以开票日为到期日。" +
				"某日的未清金额 = 现在的未清金额 + 该日之后收款核销的金额。未核销的红字发票为负数。折算本位币时使用各发票自身汇率。",
		},
		Parameters: []Parameter{asOf(), by("customer", "owner", "currency"), ownerID(), customerID(), currency(), perCurrency(), limit()},
		facts: func(by string) facts {
			d := dimensions("d.issue_date")[by]
			f := facts{
				sql: agingSQL(d.sql), key: &d.key, label: d.label, order: "total desc nulls last",
				measures: []Column{
					measure("total", TypeAmount, "Open", "未清合计"), measure("not_due", TypeAmount, "Not due", "未到期"),
					measure("days_1_30", TypeAmount, "1–30 days", "1–30 天"), measure("days_31_60", TypeAmount, "31–60 days", "31–60 天"),
					measure("days_61_90", TypeAmount, "61–90 days", "61–90 天"), measure("days_over_90", TypeAmount, "Over 90 days", "90 天以上"),
				},
				record: append(documentColumns(), measure("due_date", TypeDate, "Due", "到期日"), measure("age", TypeInteger, "Days overdue", "逾期天数")),
			}
			switch by {
			case "customer":
				f.ranked, f.totals, f.settings = debtors("@as_of::date")+", ranked as (select key from debtors)", agingTotals(), alone
			case "currency":
				f.daily, f.settings = agingDaily(), alone
			}
			return f
		},
	}
}

func agingSQL(key string) string {
	return `
select 'invoice' as kind, f.*` + ageBands + `
from (` + agedSQL(key) + `
) f`
}

// openDaily adds up by age before there are bands: of some hundred days instead of each invoice. It leaves out the customers of paid_later.
func openDaily() string {
	return `
	select d.currency::text as key, ` + documentCurrency + ` as currency, @as_of::date - d.due as age, d.open
	from (
		select d.currency, coalesce(d.due_date, d.issue_date) as due, sum(` + stored("d.residual") + `) as open
		from invoices d
		where ` + stillOpen("@as_of::date") + ` and ` + notPaidLater + ` and ` + documentFilter + `
		group by 1, 2
	) d`
}

// agingTotals is what all customers owe. What those of paid_later owe stands in the groups.
func agingTotals() string {
	return `
select f.currency` + ageBands + `
from (` + openDaily() + `
) f
union all
select currency, total, not_due, days_1_30, days_31_60, days_61_90, days_over_90 from grouped where key in (select key from paid_later)`
}

// agingDaily is what all customers owe by the currency of the documents.
func agingDaily() string {
	return `
with ` + paidLater("@as_of::date") + `
select f.key, f.currency` + ageBands + `
from (` + openDaily() + `
) f
union all
select f.key, f.currency` + ageBands + `
from (` + agedSQL("d.currency::text") + `
) f
where f.customer_id in (select key from paid_later)`
}

// age is for how many days what is open of an invoice has been due.
const age = `@as_of::date - coalesce(d.due_date, d.issue_date)`

func agedSQL(key string) string {
	return `
	select d.id, 0 as seq, ` + key + ` as key, ` + documentCurrency + ` as currency, d.number, d.issue_date as date, d.customer_id, d.due_date,
		` + age + ` as age, ` + stored("d.open") + ` as open
	from ` + openSQL("@as_of::date") + `
	where d.open <> 0 and ` + documentFilter
}

// ageBands are the measures of aging, of the row f.
const ageBands = `,
	f.open as total,
	case when f.age <= 0 then f.open end as not_due,
	case when f.age between 1 and 30 then f.open end as days_1_30,
	case when f.age between 31 and 60 then f.open end as days_31_60,
	case when f.age between 61 and 90 then f.open end as days_61_90,
	case when f.age > 90 then f.open end as days_over_90`

func dso() Report {
	return Report{
		Name: "dso", Title: Text{"Days sales outstanding", "应收账款周转天数"},
		Amounts: []crm.Kind{crm.KindInvoice},
		Definition: Text{
			En: "DSO = open at the end of the period ÷ invoiced in the period × days of the period. Open and invoiced include tax and are net of credit notes; " +
				"open on a day is what is open now plus what payments of later days settled. Where nothing was invoiced there is no DSO.",
			Zh: "DSO = 期末未清金额 ÷ 期间开票金额 × 期间天数。未清与开票金额均含税并扣除红字发票；某日的未清金额 = 现在的未清金额 + 该日之后收款核销的金额。" +
				"期间无开票则无 DSO。",
		},
		Parameters: []Parameter{from(), to(), by("all", "customer"), ownerID(), customerID(), currency(), perCurrency(), limit()},
		facts: func(by string) facts {
			f := facts{
				sql: dsoSQL(), sums: dsoSums(noKey), order: "open desc nulls last",
				measures: []Column{
					measure("open", TypeAmount, "Open at the end", "期末未清"), measure("invoiced", TypeAmount, "Invoiced", "期间开票"),
				},
				derived: []Column{
					derived("days", TypeDecimal, "DSO in days", "周转天数", "round(coalesce(g.open, 0) * @period_days::integer / nullif(g.invoiced, 0), 1)"),
				},
				record: append(documentColumns(), measure("due_date", TypeDate, "Due", "到期日")),
			}
			if by == "customer" {
				f.sums, f.ranked, f.totals = dsoSums("d.customer_id"), dsoRanked(), dsoSums(noKey)
				f.key, f.label = &Column{Name: "customer", Type: TypeID, Title: Text{"Customer", "客户"}}, customerName
			}
			return f
		},
	}
}

func dsoSQL() string {
	return `
select 'invoice' as kind, d.id, 0 as seq, d.customer_id as key, ` + documentCurrency + ` as currency,
	d.number, d.issue_date as date, d.customer_id, d.due_date,
	case when d.open <> 0 then ` + stored("d.open") + ` end as open,
	case when d.issue_date >= @from::date then ` + stored("d.total") + ` end as invoiced
from (
	select d.*, d.residual + coalesce(l.amount, 0) as open
	from invoices d left join ` + later("@to::date") + ` on l.invoice_id = d.id
	where ` + invoiceCounts + ` and d.issue_date <= @to::date
) d
where (d.open <> 0 or d.issue_date >= @from::date) and ` + documentFilter
}

// dsoSums adds up what was open and what was invoiced each by itself: what was invoiced in the order of an index, where it goes by customer. The
// server would rather hash a million amounts.
func dsoSums(key string) string {
	ordered, same := "", "i.currency = o.currency"
	if key != noKey {
		ordered = `
			order by ` + key + ` offset 0`
		same = "i.key = o.key and " + same
	}
	return `
	select coalesce(o.key, i.key) as key, coalesce(o.currency, i.currency) as currency, o.open, i.invoiced
	from (
		select ` + key + ` as key, ` + documentCurrency + ` as currency, sum(` + stored("d.open") + `) as open
		from ` + openSQL("@to::date") + `
		where d.open <> 0 and ` + documentFilter + `
		group by 1, 2
	) o full join (
		select d.key, ` + documentCurrency + ` as currency, sum(d.invoiced) as invoiced
		from (
			select ` + key + ` as key, d.currency, ` + stored("d.total") + ` as invoiced
			from invoices d
			where ` + invoicedIn + ` and ` + documentFilter + ordered + `
		) d
		group by 1, 2
	) i on ` + same
}

// dsoRanked are who owed most at the end of the period, and where they are fewer than are shown, who was invoiced anything in it.
func dsoRanked() string {
	return debtors("@to::date") + `, ranked (key) as materialized (
	select key from debtors
	union all
	(select distinct d.customer_id
	from invoices d
	where (select count(*) from debtors) <= @limit::bigint and d.customer_id <> all (array(select key from debtors))
		and ` + invoicedIn + ` and ` + documentFilter + `
	order by 1 limit @limit::bigint + 1)
)`
}

// invoicedIn are the invoices d of the period.
const invoicedIn = invoiceCounts + ` and d.issue_date between @from::date and @to::date`

// noKey is the key where all is one.
const noKey = "null::text"

func expectedCash() Report {
	return Report{
		Name: "expected-cash", Title: Text{"Expected cash", "预计回款"},
		Amounts: []crm.Kind{crm.KindInvoice},
		Definition: Text{
			En: "What was open on the day chosen of the invoices and credit notes issued until then, tax included, by the day, week (from Monday) or month it is due; overdue is the part " +
				"whose day has passed. Without a due date an invoice is due the day it is issued. No guess is made at who pays late.",
			Zh: "截至所选日期已开具的发票与红字发票的未清金额（含税），按到期的日、周（周一起）或月汇总；其中到期日已过的为逾期。无到期日的发票以开票日为到期日。" +
				"不预测客户是否拖延付款。",
		},
		Parameters: []Parameter{asOf(), by("month", "week", "day", "customer"), ownerID(), customerID(), currency(), perCurrency(), limit()},
		facts: func(by string) facts {
			const due = "coalesce(d.due_date, d.issue_date)"
			key, sql, order, label := Column{Name: "month", Type: TypeMonth, Title: Text{"Month", "月份"}}, "date_trunc('month', "+due+"::timestamp)::date", "key", ""
			switch by {
			case "week":
				key, sql = Column{Name: "week", Type: TypeDate, Title: Text{"Week from", "周（起始日）"}}, "date_trunc('week', "+due+"::timestamp)::date"
			case "day":
				key, sql = Column{Name: "day", Type: TypeDate, Title: Text{"Day", "日期"}}, due
			case "customer":
				key, sql = Column{Name: "customer", Type: TypeID, Title: Text{"Customer", "客户"}}, "d.customer_id"
				order, label = "expected desc nulls last", customerName
			}
			return facts{
				sql: expectedSQL(sql, due), key: &key, label: label, order: order,
				measures: []Column{
					measure("expected", TypeAmount, "Expected", "预计回款"), measure("invoices", TypeInteger, "Invoices", "发票数"),
					measure("overdue", TypeAmount, "Of which overdue", "其中逾期"),
				},
				record: append(documentColumns(), measure("due_date", TypeDate, "Due", "到期日")),
			}
		},
	}
}

func expectedSQL(key, due string) string {
	return `
select 'invoice' as kind, d.id, 0 as seq, ` + key + ` as key, ` + documentCurrency + ` as currency,
	d.number, d.issue_date as date, d.customer_id, d.due_date,
	` + stored("d.open") + ` as expected, 1 as invoices,
	case when ` + due + ` < @as_of::date then ` + stored("d.open") + ` end as overdue
from ` + openSQL("@as_of::date") + `
where d.open <> 0 and ` + documentFilter
}

func paymentsReceived() Report {
	return Report{
		Name: "payments-received", Title: Text{"Payments received", "回款统计"},
		Amounts: []crm.Kind{crm.KindPayment},
		Definition: Text{
			En: "Amounts of the posted payments of the period, less money paid back, in the currency they were paid in: a payment has no rate of its own.",
			Zh: "期间内已过账的收款金额，扣除退款，按收款原币列示：收款本身没有汇率。",
		},
		Parameters: []Parameter{from(), to(), by("month", "customer", "method"), ownerID(), customerID(), currency(), limit()},
		facts: func(by string) facts {
			key, sql, order, label := Column{Name: "month", Type: TypeMonth, Title: Text{"Month", "月份"}}, "date_trunc('month', d.date::timestamp)::date", "key", ""
			sums := ""
			switch by {
			case "customer":
				key, sql = Column{Name: "customer", Type: TypeID, Title: Text{"Customer", "客户"}}, "d.customer_id"
				order, label = "received desc nulls last", customerName
				sums = paymentsOfCustomers
			case "method":
				key, sql, order = Column{Name: "method", Type: TypeText, Title: Text{"Method", "回款方式"}}, "nullif(d.method, '')", "received desc nulls last"
			}
			return facts{
				sql: paymentsSQL(sql), sums: sums, key: &key, label: label, order: order,
				measures: []Column{measure("received", TypeAmount, "Received", "回款金额"), measure("payments", TypeInteger, "Payments", "笔数")},
				record:   append(documentColumns(), measure("method", TypeText, "Method", "回款方式")),
			}
		},
	}
}

func paymentsSQL(key string) string {
	return `
select 'payment' as kind, d.id, 0 as seq, ` + key + ` as key, d.currency, d.number, d.date, d.customer_id, d.method,
	d.amount as received, 1 as payments
from payments d
where ` + paymentsCount
}

// paymentsOfCustomers adds up in the order of an index. The server would rather hash two million customers and currencies, which
// takes twice as long.
const (
	paymentsOfCustomers = `
	select d.customer_id as key, d.currency, sum(d.amount) as received, count(*) as payments
	from (
		select d.customer_id, d.currency, d.amount from payments d where ` + paymentsCount + `
		order by d.customer_id, d.currency offset 0
	) d
	group by 1, 2`
	paymentsCount = `d.deleted_at is null and d.status = 'posted' and d.date between @from::date and @to::date
	and ` + documentFilter
)
