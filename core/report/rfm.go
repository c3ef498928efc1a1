package report

import "crmhub/core/crm"

// Segment is a group of customers that are worth treating alike.
type Segment string

// The segments.
const (
	Champion       Segment = "champion"
	Loyal          Segment = "loyal"
	Promising      Segment = "promising"
	NewCustomer    Segment = "new"
	NeedsAttention Segment = "needs_attention"
	CannotLose     Segment = "cannot_lose"
	AtRisk         Segment = "at_risk"
	Hibernating    Segment = "hibernating"
	Lost           Segment = "lost"
)

func rfm() Report {
	return Report{
		Name: "rfm", Title: Text{"RFM segments", "RFM 客户分层"},
		Amounts: []crm.Kind{crm.KindOrder, crm.KindInvoice}, Fields: customerOf(crm.KindOrder, crm.KindInvoice),
		Definition: Text{
			En: "Each customer with an order that counts (confirmed or later, not cancelled) in the days up to the day chosen has a recency R (days since the last " +
				"order), a frequency F (number of orders) and a monetary value M (untaxed amount of the orders less credit notes of the same days, in the base currency). " +
				"Each is scored 1 to 5 by quintile: 1 + floor(5 × share of the other customers that do worse), at most 5, so that equals score alike; a smaller R is better. " +
				"With FM = (F + M) / 2 rounded up, the first that fits is the segment: R ≥ 4 and FM ≥ 4 champion; R ≥ 3 and FM ≥ 3 loyal; R ≥ 4 and FM = 2 promising; " +
				"R ≥ 4 new; R = 3 needs attention; FM ≥ 4 cannot lose; FM = 3 at risk; R = 2 hibernating; else lost.",
			Zh: "截至所选日期的若干天内有有效订单（已确认及之后且未取消）的每个客户：R 为距最近一单的天数，F 为订单数，M 为订单不含税金额减去同期红字发票（本位币）。" +
				"各按五分位打 1–5 分：1 + ⌊5 × 表现更差的其他客户所占比例⌋，最高 5 分，数值相同得分相同；R 越小越好。" +
				"FM =（F + M）÷ 2 向上取整，按序取首个符合者：R≥4 且 FM≥4 重要价值；R≥3 且 FM≥3 忠诚；R≥4 且 FM=2 有潜力；R≥4 新客户；R=3 需关注；" +
				"FM≥4 重要挽留；FM=3 有风险；R=2 沉睡；其余流失。",
		},
		Parameters: []Parameter{
			asOf(), integer("days", 365, 3660, Text{"Length of the window in days, the day chosen included.", "统计窗口天数（含所选日期当日）。"}),
			by("segment", "score"), ownerID(), currency(), limit(),
		},
		facts: rfmFacts,
	}
}

func rfmFacts(by string) facts {
	f := facts{
		sql: rfmSQL("segment"), order: "revenue desc nulls last",
		key: &Column{Name: "segment", Type: TypeText, Title: Text{"Segment", "分层"}}, labels: segmentLabels(),
		measures: []Column{
			measure("customers", TypeInteger, "Customers", "客户数"), measure("revenue", TypeAmount, "Monetary value", "消费金额"),
			measure("orders", TypeInteger, "Orders", "订单数"),
		},
		derived: []Column{derived("average", TypeAmount, "Value per customer", "客均金额", "round(g.revenue / g.customers, @digits::integer)")},
		record: []Column{
			measure("code", TypeText, "Code", "编号"), measure("name", TypeText, "Name", "名称"),
			measure("recency", TypeInteger, "Days since the last order", "距最近一单天数"),
			measure("r", TypeInteger, "R", "R"), measure("f", TypeInteger, "F", "F"), measure("m", TypeInteger, "M", "M"),
			measure("segment", TypeText, "Segment", "分层"),
		},
	}
	if by == "score" {
		f.sql, f.order, f.labels = rfmSQL("score"), "key desc", nil
		f.key = &Column{Name: "score", Type: TypeText, Title: Text{"Score R, F, M", "R、F、M 得分"}}
	}
	return f
}

func segmentLabels() map[string]Text {
	return map[string]Text{
		string(Champion): {"Champion", "重要价值"}, string(Loyal): {"Loyal", "忠诚"}, string(Promising): {"Promising", "有潜力"},
		string(NewCustomer): {"New", "新客户"}, string(NeedsAttention): {"Needs attention", "需关注"}, string(CannotLose): {"Cannot lose", "重要挽留"},
		string(AtRisk): {"At risk", "有风险"}, string(Hibernating): {"Hibernating", "沉睡"}, string(Lost): {"Lost", "流失"},
	}
}

// rfmSQL groups by the segment or the score. A score compares with four bounds instead of ranking everybody: of n
// values in order, the k-th bound is the one of which ceil(k(n-1)/5) values, itself included, are as bad or worse, so
// that whoever is better than it has a percent_rank of k/5 at least. (percentile_disc takes the first value whose
// share reaches the fraction; half a place less keeps the fraction clear of rounding.)
func rfmSQL(key string) string {
	return `
select 'customer' as kind, s.customer_id as id, 0 as seq, s.` + key + ` as key, @base::text as currency,
	1 as customers, s.monetary as revenue, s.frequency as orders,
	s.recency, s.r, s.f, s.m, s.segment, c.code, c.name
from (
	with bought as (
		select d.customer_id, max(d.date) as last, count(*) as frequency, sum(d.base) as monetary
		from booked_documents d
		where d.date > @as_of::date - @days::integer and d.date <= @as_of::date
			and (@owner_id::uuid is null or d.owner_id = @owner_id::uuid) and (@currency::text is null or d.currency = @currency::text)
		group by d.customer_id
	), credited as (
		select d.customer_id, sum(d.base) as amount
		from invoiced_documents d
		where d.kind = 'credit_note' and d.date > @as_of::date - @days::integer and d.date <= @as_of::date
			and (@owner_id::uuid is null or d.owner_id = @owner_id::uuid) and (@currency::text is null or d.currency = @currency::text)
		group by d.customer_id
	), customer as materialized (
		select b.customer_id, @as_of::date - b.last as recency, b.frequency, b.monetary + coalesce(c.amount, 0) as monetary
		from bought b left join credited c on c.customer_id = b.customer_id
	), fractions as (
		select array_agg(greatest(ceil(k * (n - 1) / 5.0) - 0.5, 0)::float8 / greatest(n, 1) order by k) as of
		from (select count(*) as n from customer) c, generate_series(1, 4) k
	), bound as (
		select
			percentile_disc((select of from fractions)) within group (order by recency desc) as r,
			percentile_disc((select of from fractions)) within group (order by frequency) as f,
			percentile_disc((select of from fractions)) within group (order by monetary) as m
		from customer
	), scored as (
		select c.*,
			5 - (c.recency >= b.r[1])::integer - (c.recency >= b.r[2])::integer - (c.recency >= b.r[3])::integer - (c.recency >= b.r[4])::integer as r,
			1 + (c.frequency > b.f[1])::integer + (c.frequency > b.f[2])::integer + (c.frequency > b.f[3])::integer + (c.frequency > b.f[4])::integer as f,
			1 + (c.monetary > b.m[1])::integer + (c.monetary > b.m[2])::integer + (c.monetary > b.m[3])::integer + (c.monetary > b.m[4])::integer as m
		from customer c cross join bound b
		offset 0 -- a score stands in the segment many times, and is found out once
	)
	select s.*, s.r::text || s.f::text || s.m::text as score,
		case
			when r >= 4 and (f + m + 1) / 2 >= 4 then 'champion'
			when r >= 3 and (f + m + 1) / 2 >= 3 then 'loyal'
			when r >= 4 and (f + m + 1) / 2 = 2 then 'promising'
			when r >= 4 then 'new'
			when r = 3 then 'needs_attention'
			when (f + m + 1) / 2 >= 4 then 'cannot_lose'
			when (f + m + 1) / 2 = 3 then 'at_risk'
			when r = 2 then 'hibernating'
			else 'lost'
		end as segment
	from scored s
) s
left join customers c on c.id = s.customer_id`
}
