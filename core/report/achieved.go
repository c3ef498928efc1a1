package report

import "crmhub/core/crm"

func targetsReport() Report {
	return Report{
		Name: "targets", Title: Text{"Targets against achieved", "目标达成"},
		Amounts: []crm.Kind{crm.KindOrder, crm.KindInvoice, crm.KindOpportunity},
		Definition: Text{
			En: "The targets of the months that begin in the period, and what was achieved in each month: the untaxed amount of orders booked, their " +
				"number, the untaxed amount of invoices less credit notes, or the amount of opportunities won, as the reports on these " +
				"count them. An owner's target counts what belongs to that owner, a department's what belongs to those who are in it or below it now, the organization's " +
				"everything. A target in the base currency is held against all documents at their own rates, one in another currency against documents in that currency " +
				"alone. Targets of the organization, departments and people stand side by side: the totals add up all of them.",
			Zh: "期间内各月的目标与当月完成情况：订单销售额（有效订单不含税金额）、订单数、开票销售额（发票不含税金额减红字发票）或赢单金额，" +
				"口径同“订单销售额”“开票销售额”与“赢单率”。负责人的目标只计其名下单据，部门的目标计现属该部门及其下级部门人员的单据，组织的目标计全部。" +
				"以本位币设定的目标按各单据汇率折算全部单据，以其他币种设定的只计该币种单据。组织、部门与个人的目标并列，合计为全部目标之和。",
		},
		Parameters: []Parameter{
			from(), to(),
			{Name: "of", Type: "choice", Choices: []string{"revenue", "orders", "invoiced", "won"}, Title: Text{"What is measured.", "衡量指标。"}},
			ownerID(), limit(),
		},
		facts: func(string) facts {
			return facts{
				sql: achievedSQL(false), sums: achievedSQL(true), key: &Column{Name: "target", Type: TypeID, Title: Text{"Target", "目标"}}, order: "target desc nulls last",
				label: `(select to_char(t.month, 'YYYY-MM') || coalesce(' ' || u.name, ' ' || d.name, '')
					from targets t left join users u on u.id = t.owner_id left join departments d on d.id = t.department_id where t.id = g.key)`,
				measures: []Column{
					measure("target", TypeAmount, "Target", "目标"), measure("achieved", TypeAmount, "Achieved", "完成"),
				},
				derived: []Column{derived("reached", TypePercent, "Reached", "达成率", "round(100 * coalesce(g.achieved, 0) / nullif(g.target, 0), 2)")},
				record:  documentColumns(),
			}
		},
	}
}

// achievedSQL holds a document against the targets of its month and currency: those its owner counts in, who may be their
// owner or of their department, and the organization's. A join of each, so that not every document meets every target; summed,
// what owners reached in a month meets the targets.
func achievedSQL(summed bool) string {
	documents := func(kind, table, id, number, measures, date, face, base, counts string) string {
		inMonths := `@of::text in (` + measures + `) and ` + counts + `
			and d.` + date + ` >= @from::date and d.` + date + ` < (date_trunc('month', @to::timestamp) + interval '1 month')::date`
		month := `date_trunc('month', d.` + date + `::timestamp)::date`
		d := `(
		select d.` + id + ` as id, ` + number + ` as number, d.` + date + `::date as date, d.customer_id, d.owner_id, d.currency, ` + month + ` as month,
			1 as documents, ` + face + ` as face, ` + base + ` as base
		from ` + table + ` d
		where ` + inMonths + `
	) d`
		if summed {
			d = `(
		select d.owner_id, d.currency, ` + month + ` as month, count(*) as documents, sum(` + face + `) as face, sum(` + base + `) as base
		from ` + table + ` d
		where ` + inMonths + `
		group by 1, 2, 3
	) d`
		}
		columns := `'` + kind + `', d.id, 0, t.id, t.currency::text, d.number, d.date, d.customer_id, null`
		if summed {
			columns = `t.id, t.currency::text, null`
		}
		of := func(targets, whose string) string {
			return `
	union all
	select ` + columns + `, case when t.measure = 'orders' then d.documents when t.currency = @base::text then d.base else d.face end
	from ` + d + ` join ` + targets + ` t on t.month = d.month` + whose + `
	where t.currency is null or t.currency = @base::text or d.currency = t.currency`
		}
		return of("people", " and t.counts = d.owner_id") + of("everybody", "")
	}
	columns := `'target' as kind, t.id, 0 as seq, t.id as key, t.currency::text as currency, null as number, t.month as date, null::uuid as customer_id,
		t.amount as target, null::numeric as achieved`
	if summed {
		columns = `t.id as key, t.currency::text as currency, t.amount as target, null::numeric as achieved`
	}
	sql := `
	with t as (
		select t.* from targets t
		where t.month between @from::date and @to::date and t.measure = @of::text and (@owner_id::uuid is null or t.owner_id = @owner_id::uuid)
	), people as (
		select t.*, t.owner_id as counts from t where t.owner_id is not null
		union all
		select t.*, u.id from t join departments d on d.id = t.department_id join departments b on starts_with(b.path, d.path) join users u on u.department_id = b.id
	), everybody as (
		select t.* from t where t.owner_id is null and t.department_id is null
	)
	select ` + columns + `
	from t` +
		documents("order", "booked_documents", "order_id", "(select o.number from orders o where o.id = d.order_id)", "'revenue', 'orders'", "date", "d.untaxed", "d.base", "true") +
		documents("invoice", "invoiced_documents", "invoice_id", "(select o.number from invoices o where o.id = d.invoice_id)", "'invoiced'", "date", "d.untaxed", "d.base", "true") +
		documents("opportunity", "opportunities", "id", "d.number", "'won'", "closed_at", "d.amount", "round(d.amount * d.rate_to_base, @digits::integer)", opportunityClosed+" and d.status = 'won'")
	if summed {
		return `
	select key, currency, sum(target) as target, sum(achieved) as achieved
	from (` + sql + `
	) of group by 1, 2`
	}
	return sql
}
