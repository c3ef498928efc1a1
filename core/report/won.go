package report

import (
	"cmp"

	"crmhub/core/crm"
)

// What became of the opportunities that were closed. One that was opened again is open: its first end does not count.

func winRate() Report {
	return Report{
		Name: "win-rate", Title: Text{"Win rate", "赢单率"},
		Amounts: []crm.Kind{crm.KindOpportunity}, Fields: opportunityFields("status", "source", "closed_at"),
		Definition: Text{
			En: "Of the opportunities closed in the period those that were won: win rate = won ÷ (won + lost), and the same of their amounts. What is open does not count, " +
				"and neither does the end of one that was opened again. Cycle is the average of the days from creation to the end of those won. In the base currency " +
				"amounts are turned at each opportunity's own rate.",
			Zh: "期间内关闭的商机中赢单的比例：赢单率 = 赢单数 ÷（赢单数 + 输单数），金额口径同理。未关闭的商机不计，重新打开的商机此前的关闭也不计。" +
				"成交周期为赢单商机从创建到赢单的平均天数。折算本位币时使用各商机自身汇率。",
		},
		Parameters: []Parameter{
			from(), to(), by("month", "owner", "source", "customer", "campaign", "pipeline"), anyPipeline(), ownerID(), customerID(), currency(), perCurrency(), limit(),
		},
		facts: func(by string) facts {
			d := opportunityDimensions()[by]
			return facts{
				sql: closedSQL(d.sql), key: &d.key, label: d.label, order: cmp.Or(d.order, "won_amount desc nulls last"),
				measures: closedMeasures(),
				derived: []Column{
					winRateColumn(),
					derived("value_rate", TypePercent, "Win rate by value", "赢单率（金额）",
						"round(100 * coalesce(g.won_amount, 0) / nullif(coalesce(g.won_amount, 0) + coalesce(g.lost_amount, 0), 0), 2)"),
					derived("average", TypeAmount, "Average won", "平均赢单金额", "round(g.won_amount / nullif(g.won, 0), @digits::integer)"),
					cycleColumn(),
				},
				record: append(opportunityColumns(), measure("status", TypeText, "Status", "状态")),
			}
		},
	}
}

func closedMeasures() []Column {
	return []Column{
		measure("won", TypeInteger, "Won", "赢单数"), measure("lost", TypeInteger, "Lost", "输单数"),
		measure("won_amount", TypeAmount, "Amount won", "赢单金额"), measure("lost_amount", TypeAmount, "Amount lost", "输单金额"),
		measure("days", TypeInteger, "Days to win", "赢单天数合计"),
	}
}

func winRateColumn() Column {
	return derived("rate", TypePercent, "Win rate", "赢单率", "round(100.0 * coalesce(g.won, 0) / nullif(coalesce(g.won, 0) + coalesce(g.lost, 0), 0), 2)")
}

func cycleColumn() Column {
	return derived("cycle", TypeDecimal, "Cycle in days", "成交周期（天）", "round(g.days::numeric / nullif(g.won, 0), 1)")
}

// closedSQL are the opportunities closed in the period. One that was imported after its end took no time.
func closedSQL(key string) string {
	return `
select 'opportunity' as kind, d.id, 0 as seq, ` + key + ` as key, ` + documentCurrency + ` as currency, d.number, d.closed_at::date as date, d.customer_id, d.name, d.stage, d.status,
	case d.status when 'won' then 1 end as won, case d.status when 'lost' then 1 end as lost,
	case d.status when 'won' then ` + amount("d.amount") + ` end as won_amount, case d.status when 'lost' then ` + amount("d.amount") + ` end as lost_amount,
	case d.status when 'won' then greatest(d.closed_at::date - d.created_at::date, 0) end as days
from opportunities d
where ` + opportunityClosed + ` and ` + closedInPeriod + ` and (@pipeline_id::uuid is null or d.pipeline_id = @pipeline_id::uuid) and ` + documentFilter
}

func lostReasons() Report {
	return Report{
		Name: "lost-reasons", Title: Text{"Reasons lost", "输单原因"},
		Amounts: []crm.Kind{crm.KindOpportunity}, Fields: opportunityFields("lost_reason", "lost_notes", "closed_at"),
		Definition: Text{
			En: "The opportunities lost in the period, and still lost, by the reason that was given. Share is that of their number. In the base currency amounts are turned " +
				"at each opportunity's own rate.",
			Zh: "期间内输单且至今仍为输单的商机，按输单原因汇总；占比按数量计算。折算本位币时使用各商机自身汇率。",
		},
		Parameters: []Parameter{from(), to(), anyPipeline(), ownerID(), customerID(), currency(), perCurrency(), limit()},
		facts: func(string) facts {
			d := opportunityDimensions()["reason"]
			return facts{
				sql: lostSQL(), key: &d.key, order: "lost desc",
				measures: []Column{measure("lost", TypeInteger, "Lost", "输单数"), measure("amount", TypeAmount, "Amount lost", "输单金额")},
				derived:  []Column{derived("share", TypePercent, "Share", "占比", "round(100.0 * g.lost / nullif((select sum(lost) from grouped where currency = g.currency), 0), 2)")},
				record:   append(opportunityColumns(), measure("lost_notes", TypeText, "Notes", "说明")),
			}
		},
	}
}

func lostSQL() string {
	return `
select 'opportunity' as kind, d.id, 0 as seq, d.lost_reason as key, ` + documentCurrency + ` as currency, d.number, d.closed_at::date as date, d.customer_id, d.name, d.stage, d.lost_notes,
	1 as lost, ` + amount("d.amount") + ` as amount
from opportunities d
where ` + opportunityClosed + ` and d.status = 'lost' and ` + closedInPeriod + `
	and (@pipeline_id::uuid is null or d.pipeline_id = @pipeline_id::uuid) and ` + documentFilter
}

func salesVelocity() Report {
	return Report{
		Name: "sales-velocity", Title: Text{"Sales velocity", "销售速度"},
		Amounts: []crm.Kind{crm.KindOpportunity}, Fields: opportunityFields("status", "source", "closed_at"),
		Definition: Text{
			En: "What the open opportunities bring a day if they go as those closed in the period went: velocity = open × win rate × average amount won ÷ average cycle in days, " +
				"with open as of now, win rate, amounts and cycle as the report win-rate counts them. Where nothing was won, or all was won on the day it was created, there is none.",
			Zh: "假定未关闭商机与期间内已关闭商机走势相同时每天带来的金额：销售速度 = 未关闭商机数 × 赢单率 × 平均赢单金额 ÷ 平均成交周期（天）。" +
				"未关闭商机数为当前值，其余口径同“赢单率”。期间内无赢单或全部当天赢单时无此值。",
		},
		Parameters: []Parameter{from(), to(), by("all", "owner", "source", "pipeline"), anyPipeline(), ownerID(), customerID(), currency(), perCurrency(), limit()},
		facts: func(by string) facts {
			d := opportunityDimensions()[by]
			f := facts{
				sql: velocitySQL(d.sql), order: "won_amount desc nulls last",
				measures: append(closedMeasures(), measure("open", TypeInteger, "Open", "未关闭商机数")),
				derived: []Column{
					winRateColumn(), cycleColumn(),
					derived("velocity", TypeAmount, "Velocity a day", "销售速度（每天）",
						"round(g.open * g.won::numeric / (g.won + coalesce(g.lost, 0)) * g.won_amount / nullif(g.days, 0), @digits::integer)"),
				},
				record: append(opportunityColumns(), measure("status", TypeText, "Status", "状态")),
			}
			if by != "all" {
				f.key, f.label = &d.key, d.label
			}
			return f
		},
	}
}

func velocitySQL(key string) string {
	return `
select c.*, null::integer as open from (` + closedSQL(key) + `
) c
union all
select 'opportunity', d.id, 0, ` + key + `, ` + documentCurrency + `, d.number, d.created_at::date, d.customer_id, d.name, d.stage, d.status,
	null, null, null, null, null, 1
from opportunities d
where ` + opportunityOpen + ` and (@pipeline_id::uuid is null or d.pipeline_id = @pipeline_id::uuid) and ` + documentFilter
}
