package report

import (
	"cmp"
	"strings"

	"crmhub/core/crm"
)

// Service: how soon tickets are answered and settled, and how content customers are.
//
// A median or a percentile does not add up, so it would have no rows behind it. What is asked of it, the tail, is said by
// what does: how many were in time, and the tickets by how long they took, in bands that say between which hours the
// median lies.

func serviceTimes() Report {
	return Report{
		Name: "service-times", Title: Text{"Service times", "服务时效"},
		Fields: map[crm.Kind][]string{crm.KindTicket: {
			"number", "priority", "kind", "status", "subject", "first_response_due", "resolve_due", "first_responded_at", "resolved_at", "reopened",
		}},
		Definition: Text{
			En: "The tickets that came in in the period, without duplicates: how many were answered and settled, and the average hours of the clock from creation to the first response " +
				"and to the solution. In time is what happened until it was due; late is what happened later, or not although the day it was due has passed: response in time = answered in time ÷ (in time + late), " +
				"and the same of solutions. What is not yet due, or was rejected, is neither. Reopened are those that were opened again after they had been settled. " +
				"By response or solution time: up to 1, 4, 8, 24, 72 hours, a week, more, or not yet.",
			Zh: "期间内创建的工单（重复工单除外）：已首次响应与已解决的数量，以及从创建到首次响应、到解决的平均小时数（按自然时间）。在到期前完成为及时；" +
				"到期后完成、或到期日已过仍未完成为超时：响应及时率 = 及时 ÷（及时 + 超时），解决及时率同理。尚未到期或被驳回的两者均不计。重开为解决后再次打开的工单。" +
				"按响应或解决用时分段：1、4、8、24、72 小时以内、一周以内、更久、尚未。",
		},
		Parameters: []Parameter{
			from(), to(), by("month", "priority", "kind", "owner", "customer", "product", "response_time", "solution_time"), ownerID(), customerID(), limit(),
		},
		facts: func(by string) facts {
			d := ticketDimensions()[by]
			return facts{
				sql: serviceSQL(d.sql), key: &d.key, label: d.label, order: cmp.Or(d.order, "tickets desc"), labels: serviceLabels(),
				measures: []Column{
					measure("tickets", TypeInteger, "Tickets", "工单数"), measure("answered", TypeInteger, "Answered", "已响应"),
					measure("response_hours", TypeDecimal, "Hours to first response", "首次响应小时合计"),
					measure("response_in_time", TypeInteger, "Answered in time", "及时响应"), measure("response_late", TypeInteger, "Answered late", "响应超时"),
					measure("settled", TypeInteger, "Settled", "已解决"), measure("solution_hours", TypeDecimal, "Hours to solution", "解决小时合计"),
					measure("solution_in_time", TypeInteger, "Settled in time", "及时解决"), measure("solution_late", TypeInteger, "Settled late", "解决超时"),
					measure("reopened", TypeInteger, "Reopened", "重开"),
				},
				derived: []Column{
					derived("response", TypeDecimal, "Average hours to first response", "平均首次响应小时", "round(g.response_hours / nullif(g.answered, 0), 2)"),
					derived("solution", TypeDecimal, "Average hours to solution", "平均解决小时", "round(g.solution_hours / nullif(g.settled, 0), 2)"),
					inTimeColumn("response_rate", "response", "Response in time", "响应及时率"), inTimeColumn("solution_rate", "solution", "Solution in time", "解决及时率"),
					shareColumn("reopened_rate", "reopened", "tickets", "Reopened rate", "重开率"),
				},
				record: append(documentColumns(), measure("subject", TypeText, "Subject", "主题"), measure("priority", TypeText, "Priority", "优先级"),
					measure("status", TypeText, "Status", "状态")),
			}
		},
	}
}

func inTimeColumn(name, of, en, zh string) Column {
	const share = "round(100.0 * coalesce(g.{of}_in_time, 0) / nullif(coalesce(g.{of}_in_time, 0) + coalesce(g.{of}_late, 0), 0), 2)"
	return derived(name, TypePercent, en, zh, strings.ReplaceAll(share, "{of}", of))
}

// The bands of hours that tickets are counted by, and their names.
const bands = `case when {took} is null then 'none' when {took} <= 1 then '1' when {took} <= 4 then '4' when {took} <= 8 then '8'
		when {took} <= 24 then '24' when {took} <= 72 then '72' when {took} <= 168 then '168' else 'more' end`

const (
	responseHours = `extract(epoch from d.first_responded_at - d.created_at) / 3600`
	solutionHours = `extract(epoch from d.resolved_at - d.created_at) / 3600`
)

func ticketDimensions() map[string]dimension {
	band := func(name, en, zh, took string) dimension {
		return dimension{
			key: Column{Name: name, Type: TypeText, Title: Text{en, zh}}, sql: strings.ReplaceAll(bands, "{took}", took),
			order: `array_position(array['1', '4', '8', '24', '72', '168', 'more', 'none'], key)`,
		}
	}
	return map[string]dimension{
		"month": {
			key: Column{Name: "month", Type: TypeMonth, Title: Text{"Month", "月份"}},
			sql: `date_trunc('month', d.created_at)::date`, order: "key",
		},
		"priority": {
			key: Column{Name: "priority", Type: TypeText, Title: Text{"Priority", "优先级"}},
			sql: `d.priority`, order: `array_position(array['urgent', 'high', 'normal', 'low'], key)`,
		},
		"kind": {
			key: Column{Name: "kind", Type: TypeText, Title: Text{"Kind of ticket", "工单类型"}},
			sql: `d.kind`,
		},
		"owner": {
			key: Column{Name: "owner", Type: TypeID, Title: Text{"Owner", "负责人"}},
			sql: `d.owner_id`, label: ownerName,
		},
		"customer": {
			key: Column{Name: "customer", Type: TypeID, Title: Text{"Customer", "客户"}},
			sql: `d.customer_id`, label: customerName,
		},
		"product": {
			key: Column{Name: "product", Type: TypeID, Title: Text{"Product", "产品"}},
			sql: `d.product_id`, label: productName,
		},
		"response_time": band("response_time", "Hours to first response", "首次响应用时", responseHours),
		"solution_time": band("solution_time", "Hours to solution", "解决用时", solutionHours),
	}
}

func serviceLabels() map[string]Text {
	return map[string]Text{
		"1": {"Up to 1 hour", "1 小时以内"}, "4": {"Up to 4 hours", "4 小时以内"}, "8": {"Up to 8 hours", "8 小时以内"}, "24": {"Up to 24 hours", "24 小时以内"},
		"72": {"Up to 72 hours", "72 小时以内"}, "168": {"Up to a week", "一周以内"}, "more": {"More than a week", "一周以上"}, "none": {"Not yet", "尚未"},
		"urgent": {"Urgent", "紧急"}, "high": {"High", "高"}, "normal": {"Normal", "普通"}, "low": {"Low", "低"},
		"question": {"Question", "咨询"}, "problem": {"Problem", "故障"}, "complaint": {"Complaint", "投诉"}, "request": {"Request", "请求"}, "other": {"Other", "其他"},
	}
}

// serviceSQL holds what is not done yet against the beginning of today. A ticket that was rejected asks for nothing more.
func serviceSQL(key string) string {
	late := func(done, due string) string {
		return `coalesce(d.` + done + `, case when d.status <> 'rejected' then @today::date end) > d.` + due
	}
	return `
select 'ticket' as kind, d.id, 0 as seq, ` + key + ` as key, @base::text as currency, d.number, d.created_at::date as date, d.customer_id, d.subject, d.priority, d.status,
	1 as tickets,
	case when d.first_responded_at is not null then 1 end as answered, round(` + responseHours + `, 2) as response_hours,
	case when d.first_responded_at <= d.first_response_due then 1 end as response_in_time,
	case when ` + late("first_responded_at", "first_response_due") + ` then 1 end as response_late,
	case when d.resolved_at is not null then 1 end as settled, round(` + solutionHours + `, 2) as solution_hours,
	case when d.resolved_at <= d.resolve_due then 1 end as solution_in_time,
	case when ` + late("resolved_at", "resolve_due") + ` then 1 end as solution_late,
	case when d.reopened > 0 then 1 end as reopened
from tickets d
where d.deleted_at is null and d.status <> 'duplicate' and d.created_at >= @from::date::timestamptz and d.created_at < (@to::date + 1)::timestamptz
	and (@owner_id::uuid is null or d.owner_id = @owner_id::uuid) and (@customer_id::uuid is null or d.customer_id = @customer_id::uuid)`
}

func satisfaction() Report {
	return Report{
		Name: "satisfaction", Title: Text{"Customer satisfaction", "客户满意度"},
		Fields: map[crm.Kind][]string{crm.KindFeedback: {"score", "nps", "text"}, crm.KindTicket: {"priority", "kind"}},
		Definition: Text{
			En: "What customers said in the period. CSAT = answers of 4 or 5 ÷ answers with a score from 1 to 5; average is that of the scores. NPS = (promoters − detractors) ÷ answers " +
				"from 0 to 10, × 100: promoters gave 9 or 10, detractors 0 to 6 (F. Reichheld, Harvard Business Review 12/2003). An answer may have both. " +
				"Priority and kind are those of the ticket that it is about.",
			Zh: "期间内的客户反馈。CSAT = 评分 4 或 5 的数量 ÷ 有评分（1–5）的数量；平均分为评分的平均值。NPS =（推荐者 − 贬损者）÷ 0–10 分反馈数 × 100：" +
				"推荐者为 9–10 分，贬损者为 0–6 分（F. Reichheld，《哈佛商业评论》2003 年 12 月）。一条反馈可同时含两种分数。优先级与类型取相关工单。",
		},
		Parameters: []Parameter{from(), to(), by("month", "owner", "customer", "priority", "kind"), ownerID(), customerID(), limit()},
		facts: func(by string) facts {
			d := ticketDimensions()[by]
			key := d.sql
			switch by {
			case "month":
				key = `date_trunc('month', d.at)::date`
			case "priority", "kind":
				key = `t.` + by
			}
			return facts{
				sql: satisfactionSQL(key), key: &d.key, label: d.label, order: cmp.Or(d.order, "scores desc nulls last"), labels: serviceLabels(),
				measures: []Column{
					measure("scores", TypeInteger, "Answers with a score", "评分数"), measure("satisfied", TypeInteger, "Satisfied", "满意"),
					measure("points", TypeInteger, "Sum of the scores", "评分合计"), measure("nps_answers", TypeInteger, "Answers to NPS", "NPS 反馈数"),
					measure("promoters", TypeInteger, "Promoters", "推荐者"), measure("passives", TypeInteger, "Passives", "中立者"),
					measure("detractors", TypeInteger, "Detractors", "贬损者"),
				},
				derived: []Column{
					shareColumn("csat", "satisfied", "scores", "CSAT", "满意度"),
					derived("average", TypeDecimal, "Average score", "平均分", "round(g.points::numeric / nullif(g.scores, 0), 2)"),
					derived("nps", TypeDecimal, "NPS", "净推荐值", "round(100.0 * (coalesce(g.promoters, 0) - coalesce(g.detractors, 0)) / nullif(g.nps_answers, 0), 1)"),
				},
				record: []Column{
					measure("date", TypeDate, "Date", "日期"), measure("customer_id", TypeID, "Customer", "客户"), measure("ticket_id", TypeID, "Ticket", "工单"),
					measure("text", TypeText, "Text", "内容"),
				},
			}
		},
	}
}

func satisfactionSQL(key string) string {
	return `
select 'feedback' as kind, d.id, 0 as seq, ` + key + ` as key, @base::text as currency, d.at::date as date, d.customer_id, d.ticket_id, d.text,
	case when d.score is not null then 1 end as scores, case when d.score >= 4 then 1 end as satisfied, d.score as points,
	case when d.nps is not null then 1 end as nps_answers, case when d.nps >= 9 then 1 end as promoters,
	case when d.nps between 7 and 8 then 1 end as passives, case when d.nps <= 6 then 1 end as detractors
from feedback d
left join tickets t on t.id = d.ticket_id
where d.deleted_at is null and d.at >= @from::date::timestamptz and d.at < (@to::date + 1)::timestamptz
	and (@owner_id::uuid is null or d.owner_id = @owner_id::uuid) and (@customer_id::uuid is null or d.customer_id = @customer_id::uuid)`
}
