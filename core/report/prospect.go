package report

import (
	"fmt"
	"strings"

	"crmhub/core/crm"
)

// Potential and at-risk customers: scores whose points each have a reason. A fact is a reason that holds for a customer,
// so the rows behind a score are its reasons, and add up to it.

func potentialCustomers() Report {
	return Report{
		Name: "potential-customers", Title: Text{"Potential customers", "潜在客户"},
		Amounts: []crm.Kind{crm.KindOrder}, Fields: customerOf(crm.KindOrder),
		Definition: Text{
			En: "Leads and potential customers, not frozen, that have no order that counts yet, by a score of at most 100 points: an order in draft or submitted 30, " +
				"spoken to in the last 30 days 20, a contact that decides 15, a next contact planned 10, level A 10 (B 5), 100 employees or more 10, " +
				"a phone number or e-mail address 5.",
			Zh: "尚无有效订单、未冻结的线索与潜在客户，按得分排列（满分 100）：有草稿或已提交的订单 30，近 30 天内有联系 20，有决策人联系人 15，已计划下次联系 10，" +
				"级别 A 10（B 5），员工 100 人及以上 10，有电话或邮箱 5。",
		},
		Parameters: []Parameter{asOf(), ownerID(), limit()},
		facts: func(string) facts {
			return scoreFacts(potentialSQL(), []string{"quote", "recent_contact", "decision_maker", "next_contact", "level", "size", "reachable"}, map[string]Text{
				"quote": {"An order in draft or submitted", "有草稿或已提交的订单"}, "recent_contact": {"Spoken to in the last 30 days", "近 30 天内有联系"},
				"decision_maker": {"A contact that decides", "有决策人联系人"}, "next_contact": {"A next contact is planned", "已计划下次联系"},
				"level": {"Level set by hand", "手工级别"}, "size": {"100 employees or more", "员工 100 人及以上"},
				"reachable": {"A phone number or e-mail address", "有电话或邮箱"},
			})
		},
	}
}

func atRiskCustomers() Report {
	return Report{
		Name: "at-risk-customers", Title: Text{"Customers at risk", "流失风险客户"},
		Amounts: []crm.Kind{crm.KindOrder, crm.KindInvoice}, Fields: customerOf(crm.KindOrder, crm.KindInvoice),
		Definition: Text{
			En: "Customers with at least two orders that count in the 730 days up to the day chosen, by a score of at most 100 points: silent for more than twice the average " +
				"time between their orders (at least 30 days) 40; untaxed amount ordered in the last 180 days below half of that in the 180 before 30; an invoice " +
				"overdue by more than 30 days 20; credit notes in the last 365 days above 10 % of the amount ordered in them 10. Who has no point is not listed.",
			Zh: "截至所选日期的 730 天内至少有两张有效订单的客户，按得分排列（满分 100）：沉默时间超过其平均下单间隔的两倍（且不少于 30 天）40；" +
				"近 180 天订购额不足此前 180 天的一半 30；有逾期超过 30 天的发票 20；近 365 天红字发票超过同期订购额的 10% 10。得零分者不列。",
		},
		Parameters: []Parameter{asOf(), ownerID(), limit()},
		facts: func(string) facts {
			f := scoreFacts(atRiskSQL(), []string{"silent", "decline", "overdue", "credited"}, map[string]Text{
				"silent": {"Silent for twice the usual time", "沉默时间超过平时两倍"}, "decline": {"Orders less than half of before", "订购额不足此前一半"},
				"overdue": {"An invoice overdue by more than 30 days", "有逾期超过 30 天的发票"}, "credited": {"Many credit notes", "红字发票偏多"},
			})
			f.settings = merged
			return f
		},
	}
}

// scoreFacts are those of a text that selects a row for each customer: customer_id, and the points for each reason, p1 for the
// first, null where it does not hold.
// It ends with an offset, lest they be found out anew wherever they are asked for.
func scoreFacts(scored string, reasons []string, labels map[string]Text) facts {
	var values, points, score, packed []string
	for i, reason := range reasons {
		p := fmt.Sprintf("p%d", i+1)
		values = append(values, fmt.Sprintf("(%d, '%s', s.%s)", i+1, reason, p))
		points = append(points, "s."+p)
		score = append(score, fmt.Sprintf("coalesce(s.%s, 0)", p))
		packed = append(packed, fmt.Sprintf("(coalesce(s.%s, 0)::bigint << %d)", p, 7*i))
	}
	return facts{
		sql: `
select 'customer' as kind, s.customer_id as id, r.seq, s.customer_id as key, @base::text as currency, r.points as score, r.reason
from (` + scored + `
) s
cross join lateral (values ` + strings.Join(values, ", ") + `) r (seq, reason, points)
where r.points is not null`,
		sums: `
	select s.customer_id as key, @base::text as currency, ` + strings.Join(score, " + ") + ` as score, ` + strings.Join(packed, " | ") + ` as packed
	from (` + scored + `
	) s
	where coalesce(` + strings.Join(points, ", ") + `) is not null`,
		key: &Column{Name: "customer", Type: TypeID, Title: Text{"Customer", "客户"}}, label: customerName, labels: labels,
		measures: []Column{measure("score", TypeInteger, "Score", "得分")},
		reasons:  reasons,
		record:   []Column{measure("reason", TypeText, "Reason", "原因")},
		order:    "score desc",
	}
}

func potentialSQL() string {
	return `
select c.id as customer_id,
	case when q.customer_id is not null then 30 end as p1,
	case when c.last_contact_at >= @as_of::date - 30 and c.last_contact_at < @as_of::date + 1 then 20 end as p2,
	case when k.customer_id is not null then 15 end as p3,
	case when c.next_contact_at >= @as_of::date then 10 end as p4,
	case c.level when 'A' then 10 when 'B' then 5 end as p5,
	case when c.employees >= 100 then 10 end as p6,
	case when c.phone is not null or c.email is not null then 5 end as p7
from customers c
left join (
	select distinct d.customer_id from orders d where d.deleted_at is null and d.status in ('draft', 'submitted')
) q on q.customer_id = c.id
left join (
	select distinct k.customer_id from contact_customers k join contacts p on p.id = k.contact_id and p.deleted_at is null
	where k.role = 'decision_maker' and k.is_active
) k on k.customer_id = c.id
where c.deleted_at is null and c.lifecycle in ('lead', 'potential') and not c.is_frozen
	and not exists (select from booked_documents d where d.customer_id = c.id)
	and (@owner_id::uuid is null or c.owner_id = @owner_id::uuid)
offset 0`
}

// atRiskSQL does without decimals where it can: what it finds out of a customer it finds out of half a million. rest are the
// days of the year that neither of the spans before has. The innermost sub-select leaves off what the index has besides, which would be copied for each customer.
func atRiskSQL() string {
	return `
select b.customer_id,
	case when b.silent > 30 and b.silent * (b.orders - 1) > 2 * b.span then 40 end as p1,
	case when b.before is not null and b.before > 2 * coalesce(b.lately, 0) then 30 end as p2,
	case when o.customer_id is not null then 20 end as p3,
	case when c.amount is not null and 10 * c.amount > coalesce(b.lately, 0) + coalesce(b.before, 0) + coalesce(b.rest, 0) then 10 end as p4
from (
	select d.customer_id, @as_of::date - max(d.date) as silent, max(d.date) - min(d.date) as span, count(*) as orders,
		sum(case when d.date > @as_of::date - 180 then d.base end) as lately,
		sum(case when d.date <= @as_of::date - 180 and d.date > @as_of::date - 360 then d.base end) as before,
		sum(case when d.date <= @as_of::date - 360 and d.date > @as_of::date - 365 then d.base end) as rest
	from (
		select d.customer_id, d.date, d.base
		from booked_documents d
		where d.date > @as_of::date - 730 and d.date <= @as_of::date
			and (@owner_id::uuid is null or d.owner_id = @owner_id::uuid)
		order by 1 offset 0
	) d
	group by d.customer_id
	having count(*) > 1
) b
left join (
	select distinct d.customer_id
	from invoices d
	where d.residual <> 0 and d.residual > 0 and d.due_date < @as_of::date - 30 and ` + invoiceCounts + `
) o on o.customer_id = b.customer_id
left join (
	select d.customer_id, -sum(d.base) as amount
	from invoiced_documents d
	where d.kind = 'credit_note' and d.date > @as_of::date - 365 and d.date <= @as_of::date
	group by d.customer_id
) c on c.customer_id = b.customer_id
offset 0`
}
