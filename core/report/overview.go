package report

import "crmhub/core/crm"

func overview() Report {
	return Report{
		Name: "overview", Title: Text{"Overview", "概览"},
		Amounts: []crm.Kind{crm.KindOrder, crm.KindInvoice},
		Definition: Text{
			En: "A few figures as of a day, by the role that looks at them. Open orders: confirmed, in progress or on hold. Revenue: untaxed amount of the orders dated in " +
				"the month up to the day chosen, and in the whole month before, that are confirmed or later and not cancelled. New customers: entered in the month up to the day chosen. " +
				"Receivable: open on invoices and credit notes, tax included; overdue is the part whose due date has passed. Invoiced: untaxed amount of invoices less " +
				"credit notes of the month up to the day chosen. Amounts are in the base currency at each document's own rate.",
			Zh: "截至某日的关键数字，因角色而异。未完成订单：已确认、执行中或挂起。销售额：本月截至所选日期及上月整月内，已确认及之后且未取消的订单的不含税金额。" +
				"新客户：本月截至所选日期录入的客户。应收：发票与红字发票的未清金额（含税），逾期为到期日已过的部分。开票：本月截至所选日期的发票不含税金额减红字发票。" +
				"金额按各单据自身汇率折算为本位币。",
		},
		Parameters: []Parameter{
			asOf(), {Name: "role", Type: "choice", Choices: []string{"manager", "sales", "finance"}, Title: Text{"Whose overview.", "角色。"}}, ownerID(),
		},
		facts: func(string) facts {
			return facts{
				sql: overviewSQL(), key: &Column{Name: "figure", Type: TypeText, Title: Text{"Figure", "指标"}}, order: "key",
				measures: []Column{measure("count", TypeInteger, "Number", "数量"), measure("amount", TypeAmount, "Amount", "金额")},
				record:   documentColumns(),
				labels: map[string]Text{
					"open_orders": {"Open orders", "未完成订单"}, "revenue_this_month": {"Revenue this month", "本月销售额"},
					"revenue_last_month": {"Revenue last month", "上月销售额"}, "new_customers": {"New customers this month", "本月新客户"},
					"receivable": {"Receivable", "应收账款"}, "overdue": {"Overdue", "逾期金额"}, "invoiced_this_month": {"Invoiced this month", "本月开票"},
				},
			}
		},
	}
}

func overviewSQL() string {
	const (
		own    = `(@owner_id::uuid is null or d.owner_id = @owner_id::uuid)`
		booked = `'order', d.order_id, 0, @base::text, (select o.number from orders o where o.id = d.order_id), d.date, d.customer_id, 1, d.base
	from booked_documents d
	where ` + own + ` and d.date`
		open = `'invoice', d.id, 0, @base::text, d.number, d.issue_date, d.customer_id, 1, `
	)
	return `
select f.* from (
	select 'open_orders' as key, 'order' as kind, d.id, 0 as seq, @base::text as currency, d.number, d.date, d.customer_id, 1 as count, ` + amount("d.untaxed") + ` as amount
	from orders d
	where ` + own + ` and d.deleted_at is null and d.status in ('confirmed', 'in_progress', 'on_hold')
	union all
	select 'revenue_this_month', ` + booked + ` between date_trunc('month', @as_of::timestamp)::date and @as_of::date
	union all
	select 'revenue_last_month', ` + booked + ` >= (date_trunc('month', @as_of::timestamp) - interval '1 month')::date and d.date < date_trunc('month', @as_of::timestamp)::date
	union all
	select 'new_customers', 'customer', d.id, 0, @base::text, d.code, d.created_at::date, d.id, 1, null::numeric
	from customers d
	where ` + own + ` and d.deleted_at is null and d.created_at >= date_trunc('month', @as_of::timestamp) and d.created_at < @as_of::date + 1
	union all
	select 'receivable', ` + open + amount("d.residual") + `
	from invoices d where ` + own + ` and ` + invoiceCounts + ` and d.residual <> 0
	union all
	select 'overdue', ` + open + amount("d.residual") + `
	from invoices d where ` + own + ` and ` + invoiceCounts + ` and d.residual <> 0 and d.residual > 0 and d.due_date < @as_of::date
	union all
	select 'invoiced_this_month', 'invoice', d.invoice_id, 0, @base::text, (select o.number from invoices o where o.id = d.invoice_id), d.date, d.customer_id, 1, d.base
	from invoiced_documents d
	where ` + own + ` and d.date between date_trunc('month', @as_of::timestamp)::date and @as_of::date
) f
where f.key = any(case @role::text
	when 'finance' then array['receivable', 'overdue', 'invoiced_this_month']
	when 'sales' then array['open_orders', 'revenue_this_month', 'revenue_last_month', 'new_customers']
	else array['open_orders', 'revenue_this_month', 'revenue_last_month', 'new_customers', 'overdue'] end)`
}
