package report

import "crmhub/core/crm"

func targetsReport() Report {
	return Report{
		Name: "targets", Title: Text{"Targets against achieved", "目标达成"},
		Amounts: []crm.Kind{crm.KindOrder, crm.KindInvoice},
		Definition: Text{
			En: "The targets of the months that begin in the period, and what was achieved in each month: of revenue the untaxed amount of orders booked, of orders their " +
				"number, of invoiced the untaxed amount of invoices less credit notes, as the reports booked and invoiced count them. An owner's target counts what " +
				"belongs to that owner, the organization's counts everything. A target in the base currency is held against all documents at their own rates, one in " +
				"another currency against documents in that currency alone. Targets of the organization and of its people stand side by side: the totals add up all of them.",
			Zh: "期间内各月的目标与当月完成情况：revenue 为有效订单不含税金额，orders 为订单数，invoiced 为发票不含税金额减红字发票，口径同“订单销售额”与“开票销售额”。" +
				"负责人的目标只计其名下单据，组织的目标计全部。以本位币设定的目标按各单据汇率折算全部单据，以其他币种设定的只计该币种单据。" +
				"组织目标与个人目标并列，合计为全部目标之和。",
		},
		Parameters: []Parameter{
			from(), to(),
			{Name: "of", Type: "choice", Choices: []string{"revenue", "orders", "invoiced"}, Title: Text{"What is measured.", "衡量指标。"}},
			ownerID(), limit(),
		},
		facts: func(string) facts {
			return facts{
				sql: achievedSQL(), key: &Column{Name: "target", Type: TypeID, Title: Text{"Target", "目标"}}, order: "target desc nulls last",
				label: `(select to_char(t.month, 'YYYY-MM') || coalesce(' ' || u.name, '') from targets t left join users u on u.id = t.owner_id where t.id = g.key)`,
				measures: []Column{
					measure("target", TypeAmount, "Target", "目标"), measure("achieved", TypeAmount, "Achieved", "完成"),
				},
				derived: []Column{derived("reached", TypePercent, "Reached", "达成率", "round(100 * coalesce(g.achieved, 0) / nullif(g.target, 0), 2)")},
				record:  documentColumns(),
			}
		},
	}
}

func achievedSQL() string {
	// A document counts in the target's month and currency, in its owner's target and in the organization's: a join of
	// each, for which the server needs not to hold every document against every target.
	documents := func(kind, date, counts, whose string) string {
		return `
	union all
	select '` + kind + `', d.id, 0, t.id, t.currency::text, d.number, d.` + date + `, d.customer_id, null,
		case when t.measure = 'orders' then 1 when t.currency = @base::text then round(d.untaxed * d.rate_to_base, @digits::integer) else d.untaxed end
	from ` + kind + `s d join t on t.month = date_trunc('month', d.` + date + `::timestamp)::date and ` + whose + `
	where (@of::text = 'invoiced') = ('` + kind + `' = 'invoice') and ` + counts + `
		and d.` + date + ` >= @from::date and d.` + date + ` < (date_trunc('month', @to::timestamp) + interval '1 month')::date
		and (t.currency is null or t.currency = @base::text or d.currency = t.currency)`
	}
	return `
	with t as (
		select t.* from targets t
		where t.month between @from::date and @to::date and t.measure = @of::text and (@owner_id::uuid is null or t.owner_id = @owner_id::uuid)
	)
	select 'target' as kind, t.id, 0 as seq, t.id as key, t.currency::text as currency, null as number, t.month as date, null::uuid as customer_id,
		t.amount as target, null::numeric as achieved
	from t` +
		documents("order", "date", orderCounts, "t.owner_id = d.owner_id") + documents("order", "date", orderCounts, "t.owner_id is null") +
		documents("invoice", "issue_date", invoiceCounts, "t.owner_id = d.owner_id") + documents("invoice", "issue_date", invoiceCounts, "t.owner_id is null")
}
