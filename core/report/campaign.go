package report

import "crmhub/core/crm"

// Campaigns: whom they reached, who answered, and what came of it.

// campaignName names the campaign that is the key of the row g.
const campaignName = `(select c.code || ' ' || c.name from campaigns c where c.id = g.key)`

// campaignsBegun are the campaigns c that began in the period: on their first day, or when they were entered.
const campaignsBegun = `c.deleted_at is null and coalesce(c.start_date, c.created_at::date) between @from::date and @to::date
	and (@campaign_id::uuid is null or c.id = @campaign_id::uuid) and (@owner_id::uuid is null or c.owner_id = @owner_id::uuid)`

func campaignID() Parameter {
	return Parameter{Name: "campaign_id", Type: "id", Title: Text{"This campaign only.", "只看该市场活动。"}}
}

func campaignKey() *Column {
	return &Column{Name: "campaign", Type: TypeID, Title: Text{"Campaign", "市场活动"}}
}

func campaignResponse() Report {
	return Report{
		Name: "campaign-response", Title: Text{"Campaign response", "市场活动响应"},
		Fields: map[crm.Kind][]string{crm.KindCampaign: {"code", "name", "kind"}, crm.KindCampaignMember: {"status"}},
		Definition: Text{
			En: "The members of the campaigns that began in the period: targeted, of these sent to (whoever opened, answered, bounced or bought was sent to as well), responded " +
				"(whoever converted responded) and converted; one who opted out counts for what he did before. Response rate = responded ÷ sent, conversion rate = converted ÷ sent, " +
				"bounce rate = bounced ÷ sent, opt-out rate = opted out ÷ targeted. Bounced and opted out are those who stand so now.",
			Zh: "期间内开始的市场活动的成员：目标人数、已发送（打开、响应、退信、转化者均视为已发送）、已响应（转化者视为已响应）、已转化；已退订的成员按退订前的行为计。" +
				"响应率 = 响应 ÷ 已发送，转化率 = 转化 ÷ 已发送，退信率 = 退信 ÷ 已发送，退订率 = 退订 ÷ 目标人数。退信与退订以当前状态为准。",
		},
		Parameters: []Parameter{from(), to(), by("campaign", "kind", "month"), campaignID(), ownerID(), limit()},
		facts: func(by string) facts {
			key, sql, label, order := campaignKey(), "c.id", campaignName, "targeted desc"
			switch by {
			case "kind":
				key, sql, label = &Column{Name: "kind", Type: TypeText, Title: Text{"Kind of campaign", "活动类型"}}, "c.kind", ""
			case "month":
				key, sql = &Column{Name: "month", Type: TypeMonth, Title: Text{"Month", "月份"}}, "date_trunc('month', coalesce(c.start_date, c.created_at::date)::timestamp)::date"
				label, order = "", "key"
			}
			return facts{
				sql: responseSQL(sql), key: key, label: label, order: order,
				measures: []Column{
					measure("targeted", TypeInteger, "Targeted", "目标人数"), measure("sent", TypeInteger, "Sent", "已发送"),
					measure("responded", TypeInteger, "Responded", "已响应"), measure("converted", TypeInteger, "Converted", "已转化"),
					measure("bounced", TypeInteger, "Bounced", "退信"), measure("opted_out", TypeInteger, "Opted out", "退订"),
				},
				derived: []Column{
					shareColumn("response_rate", "responded", "sent", "Response rate", "响应率"), shareColumn("conversion_rate", "converted", "sent", "Conversion rate", "转化率"),
					shareColumn("bounce_rate", "bounced", "sent", "Bounce rate", "退信率"), shareColumn("opt_out_rate", "opted_out", "targeted", "Opt-out rate", "退订率"),
				},
				record: []Column{
					measure("campaign_id", TypeID, "Campaign", "市场活动"), measure("contact_id", TypeID, "Contact", "联系人"),
					measure("customer_id", TypeID, "Customer", "客户"), measure("status", TypeText, "Status", "状态"),
				},
			}
		},
	}
}

// shareColumn is a part of a whole in percent; nothing of a whole is 0.
func shareColumn(name, part, whole, en, zh string) Column {
	return derived(name, TypePercent, en, zh, "round(100.0 * coalesce(g."+part+", 0) / nullif(g."+whole+", 0), 2)")
}

// responseSQL goes by the status, which says what happened before it; but one who opted out may have answered before, and
// of him the events tell.
func responseSQL(key string) string {
	return `
select 'campaign_member' as kind, m.id, 0 as seq, ` + key + ` as key, @base::text as currency, m.campaign_id, m.contact_id, m.customer_id, m.status,
	1 as targeted,
	case when e.sent or m.responded_at is not null or m.status not in ('targeted', 'opted_out') then 1 end as sent,
	case when e.responded or m.responded_at is not null or m.status in ('responded', 'converted') then 1 end as responded,
	case when e.converted or m.status = 'converted' then 1 end as converted,
	case m.status when 'bounced' then 1 end as bounced, case m.status when 'opted_out' then 1 end as opted_out
from campaigns c
join campaign_members m on m.campaign_id = c.id and m.deleted_at is null
left join lateral (
	select bool_or(v.type not in ('targeted', 'opted_out')) as sent, bool_or(v.type in ('responded', 'converted')) as responded, bool_or(v.type = 'converted') as converted
	from campaign_events v
	where v.member_id = m.id and m.status = 'opted_out'
) e on true
where ` + campaignsBegun
}

func campaignReturn() Report {
	return Report{
		Name: "campaign-return", Title: Text{"Return on campaigns", "市场活动回报"},
		Amounts: []crm.Kind{crm.KindCampaign, crm.KindOpportunity},
		Fields:  map[crm.Kind][]string{crm.KindCampaign: {"code", "name"}, crm.KindOpportunity: {"campaign_id"}},
		Definition: Text{
			En: "What the campaigns that began in the period cost and brought: return = (won − cost) ÷ cost, of the opportunities won until today, each with its amount, in three ways. " +
				"Won: those that name the campaign. First touch and last touch: those of a customer who, himself or by a contact, responded to campaigns before the opportunity was won, " +
				"counted for the campaign he responded to first, or last. Amounts are in the base currency: won ones at each opportunity's own rate, a cost at the rate of the campaign's first " +
				"day or the latest before. A campaign without a cost, or without a rate for it, has no return.",
			Zh: "期间内开始的市场活动的成本与成果：回报率 =（赢单金额 − 实际成本）÷ 实际成本，按至今赢单商机的金额，分三种口径。赢单：商机上注明的活动；" +
				"首次触点与末次触点：客户（本身或其联系人）在赢单前响应过的活动中最早或最晚的一个。金额为本位币：赢单按各商机自身汇率，成本按活动开始日或之前最近的汇率。" +
				"无成本或无汇率的活动没有回报率。",
		},
		Parameters: []Parameter{from(), to(), campaignID(), ownerID(), limit()},
		facts: func(string) facts {
			back := func(name, won, en, zh string) Column {
				return derived(name, TypePercent, en, zh, "round(100 * (coalesce(g."+won+", 0) - g.cost) / nullif(g.cost, 0), 2)")
			}
			return facts{
				sql: returnSQL(), key: campaignKey(), label: campaignName, order: "won desc nulls last",
				measures: []Column{
					measure("cost", TypeAmount, "Actual cost", "实际成本"), measure("won", TypeAmount, "Won", "赢单金额"),
					measure("first_touch", TypeAmount, "Won by first touch", "赢单金额（首次触点）"), measure("last_touch", TypeAmount, "Won by last touch", "赢单金额（末次触点）"),
					measure("opportunities", TypeInteger, "Opportunities won", "赢单商机数"),
				},
				derived: []Column{
					back("return", "won", "Return", "回报率"), back("first_return", "first_touch", "Return by first touch", "回报率（首次触点）"),
					back("last_return", "last_touch", "Return by last touch", "回报率（末次触点）"),
				},
				record: documentColumns(),
			}
		},
	}
}

// returnSQL has the campaigns' costs, the opportunities that name a campaign, and those again by whom their customer
// answered first and last. Of two answers at the same moment the one to the earlier entered campaign comes first.
func returnSQL() string {
	return `
with begun as (
	select c.* from campaigns c where ` + campaignsBegun + `
), won as (
	select d.*, ` + amount("d.amount") + ` as brought from opportunities d where ` + opportunityClosed + ` and d.status = 'won'
), touched as (
	select w.id, t.campaign_id, row_number() over (partition by w.id order by t.at, t.campaign_id) as nth, count(*) over (partition by w.id) as touches
	from won w
	join (
		select m.campaign_id, m.customer_id, m.responded_at as at from campaign_members m
		where m.responded_at is not null and m.customer_id is not null and m.deleted_at is null
		union all
		select m.campaign_id, k.customer_id, m.responded_at from campaign_members m join contact_customers k on k.contact_id = m.contact_id
		where m.responded_at is not null and m.deleted_at is null
	) t on t.customer_id = w.customer_id and t.at <= w.closed_at
)
select 'campaign' as kind, c.id, 0 as seq, c.id as key, @base::text as currency, c.code as number, coalesce(c.start_date, c.created_at::date) as date, null::uuid as customer_id,
	case when c.currency = @base::text then round(c.actual_cost, @digits::integer) else round(c.actual_cost * (
		select r.rate from currency_rates r
		where r.base = @base::char(3) and r.currency = c.currency and r.date <= coalesce(c.start_date, c.created_at::date) and r.deleted_at is null
		order by r.date desc limit 1), @digits::integer) end as cost,
	null::numeric as won, null::numeric as first_touch, null::numeric as last_touch, null::integer as opportunities
from begun c
union all
select 'opportunity', w.id, 0, w.campaign_id, @base::text, w.number, w.closed_at::date, w.customer_id, null, w.brought, null, null, 1
from won w join begun c on c.id = w.campaign_id
union all
select 'opportunity', w.id, case t.nth when 1 then 1 else 2 end, t.campaign_id, @base::text, w.number, w.closed_at::date, w.customer_id, null, null,
	case when t.nth = 1 then w.brought end, case when t.nth = t.touches then w.brought end, null
from won w join touched t on t.id = w.id join begun c on c.id = t.campaign_id
where t.nth in (1, t.touches)`
}
