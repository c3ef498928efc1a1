package report

import (
	"cmp"

	"crmhub/core/crm"
)

// Opportunities: what is open, where it stands and what it may bring, and what became of those that were closed.

// The conditions of open and closed opportunities d. The indexes have the same, word for word.
const (
	opportunityOpen   = `d.deleted_at is null and d.status = 'open'`
	opportunityClosed = `d.deleted_at is null and d.status <> 'open'`
	closedInPeriod    = `d.closed_at >= @from::date::timestamptz and d.closed_at < (@to::date + 1)::timestamptz`

	// ofPipeline is the pipeline a report is about: the one asked for, or the default one.
	ofPipeline = `(select p.id from pipelines p where case when @pipeline_id::uuid is null then p.is_default and p.deleted_at is null else p.id = @pipeline_id::uuid end)`
)

func pipelineID(otherwise Text) Parameter {
	return Parameter{Name: "pipeline_id", Type: "id", Title: otherwise}
}

func onePipeline() Parameter {
	return pipelineID(Text{"This pipeline; the default one if left out.", "销售流程；省略时为默认流程。"})
}

func anyPipeline() Parameter {
	return pipelineID(Text{"Opportunities of this pipeline only.", "只看该销售流程的商机。"})
}

// stageKey is a row for each stage of the pipeline, in the pipeline's order.
func stageKey() (key *Column, label, order string) {
	const stage = ` from pipeline_stages s where s.pipeline_id = ` + ofPipeline + ` and s.code = `
	return &Column{Name: "stage", Type: TypeText, Title: Text{"Stage", "阶段"}}, `(select s.name` + stage + `g.key)`, `(select s.seq` + stage + `key)`
}

// opportunityDimensions are the ways to group opportunities.
func opportunityDimensions() map[string]dimension {
	return map[string]dimension{
		"all": {sql: `null::text`},
		"month": {
			key: Column{Name: "month", Type: TypeMonth, Title: Text{"Month closed", "关闭月份"}},
			sql: `date_trunc('month', d.closed_at)::date`, order: "key",
		},
		"expected_month": {
			key: Column{Name: "month", Type: TypeMonth, Title: Text{"Expected close", "预计成交月份"}},
			sql: `date_trunc('month', d.expected_close::timestamp)::date`, order: "key",
		},
		"category": {
			key: Column{Name: "category", Type: TypeText, Title: Text{"Forecast category", "预测类别"}},
			sql: `d.forecast_category`, order: `array_position(array['commit', 'best_case', 'pipeline', 'omitted'], key)`,
		},
		"owner": {
			key: Column{Name: "owner", Type: TypeID, Title: Text{"Owner", "负责人"}},
			sql: `d.owner_id`, label: ownerName,
		},
		"customer": {
			key: Column{Name: "customer", Type: TypeID, Title: Text{"Customer", "客户"}},
			sql: `d.customer_id`, label: customerName,
		},
		"source": {
			key: Column{Name: "source", Type: TypeText, Title: Text{"Source", "来源"}},
			sql: `nullif(d.source, '')`,
		},
		"campaign": {
			key: Column{Name: "campaign", Type: TypeID, Title: Text{"Campaign", "市场活动"}},
			sql: `d.campaign_id`, label: campaignName,
		},
		"pipeline": {
			key: Column{Name: "pipeline", Type: TypeID, Title: Text{"Pipeline", "销售流程"}},
			sql: `d.pipeline_id`, label: `(select p.name from pipelines p where p.id = g.key)`,
		},
		"reason": {
			key: Column{Name: "reason", Type: TypeText, Title: Text{"Reason", "原因"}},
			sql: `d.lost_reason`,
		},
	}
}

// What the rows behind a number show of an opportunity.
func opportunityColumns() []Column {
	return append(documentColumns(), measure("name", TypeText, "Name", "名称"), measure("stage", TypeText, "Stage", "阶段"))
}

// opportunityFields are the fields that these columns show, and more.
func opportunityFields(more ...string) map[crm.Kind][]string {
	return map[crm.Kind][]string{crm.KindOpportunity: append([]string{"number", "name", "stage"}, more...)}
}

func funnel() Report {
	return Report{
		Name: "funnel", Title: Text{"Sales funnel", "销售漏斗"},
		Amounts: []crm.Kind{crm.KindOpportunity}, Fields: opportunityFields("probability"),
		Definition: Text{
			En: "The open opportunities of a pipeline by the stage they stand at now: how many, their amounts, and weighted, which is amount × probability ÷ 100 of each. " +
				"Rotten are those that have been at the stage for longer than it allows; age is the average of the days they have been there. " +
				"What is won or lost is not open. In the base currency amounts are turned at each opportunity's own rate.",
			Zh: "某销售流程中未关闭商机按当前阶段的数量、金额与加权金额；加权金额 = 每个商机的金额 × 概率 ÷ 100。停留时间超过该阶段允许天数的为“停滞”；" +
				"平均停留天数为其在当前阶段已停留天数的平均值。赢单与输单不计。折算本位币时使用各商机自身汇率。",
		},
		Parameters: []Parameter{onePipeline(), ownerID(), customerID(), currency(), perCurrency()},
		facts: func(string) facts {
			key, label, order := stageKey()
			return facts{
				sql: funnelSQL(), key: key, label: label, order: order,
				measures: []Column{
					measure("opportunities", TypeInteger, "Opportunities", "商机数"), measure("amount", TypeAmount, "Amount", "金额"),
					measure("weighted", TypeAmount, "Weighted", "加权金额"), measure("rotten", TypeInteger, "Rotten", "停滞"),
					measure("days", TypeInteger, "Days at the stage", "已停留天数"),
				},
				derived: []Column{derived("age", TypeDecimal, "Average days at the stage", "平均停留天数", "round(g.days::numeric / nullif(g.opportunities, 0), 1)")},
				record:  opportunityColumns(),
			}
		},
	}
}

// funnelSQL has a fact for each stage too, so that one where nothing stands is a row of the funnel.
func funnelSQL() string {
	return `
select 'opportunity' as kind, d.id, 0 as seq, d.stage as key, ` + documentCurrency + ` as currency, d.number, d.created_at::date as date, d.customer_id, d.name, d.stage,
	1 as opportunities, ` + amount("d.amount") + ` as amount, ` + amount("d.amount * d.probability / 100") + ` as weighted,
	case when d.stage_entered_at < @today::date + 1 - make_interval(days => s.rotten_days) then 1 end as rotten,
	greatest(@today::date - d.stage_entered_at::date, 0) as days
from opportunities d
join pipeline_stages s on s.pipeline_id = d.pipeline_id and s.code = d.stage
where ` + opportunityOpen + ` and d.pipeline_id = ` + ofPipeline + ` and ` + documentFilter + `
union all
select 'pipeline', s.pipeline_id, s.seq, s.code, @base::text, null, null, null, null, s.code, null, null, null, null, null
from pipeline_stages s
where s.pipeline_id = ` + ofPipeline + ` and s.kind = 'open' and not @per_currency::boolean`
}

func stageConversion() Report {
	return Report{
		Name: "stage-conversion", Title: Text{"Stage conversion", "阶段转化率"},
		Fields: opportunityFields("status"),
		Definition: Text{
			En: "Of the opportunities that entered a stage of a pipeline in the period, from the log of their stages, those that entered a further one later, until today: " +
				"conversion = advanced ÷ entered. Further is an open stage below it in the pipeline, or the won one; who skips a stage advanced all the same. One that " +
				"came back to a stage counts there once. Days is the time at the stage of those that have left it, over all their stays that began in the period. Won and lost " +
				"say how the cohort stands now: who was lost and opened again is neither. Stages that the pipeline has no longer do not count. Recent cohorts are still on their way.",
			Zh: "依据阶段日志，期间内进入某阶段的商机中，此后（至今）进入更后阶段的比例：转化率 = 进入后续阶段数 ÷ 进入数。更后指流程中排在其后的进行中阶段或赢单；" +
				"跳过阶段同样计为转化。返回某阶段的商机在该阶段只计一次。停留天数为期间内开始且已离开的全部停留时间。赢单、输单为该批商机的现状：" +
				"输单后重新打开的两者均不计。流程中已删除的阶段不计。较新的批次仍在推进中。",
		},
		Parameters: []Parameter{from(), to(), onePipeline(), ownerID(), customerID()},
		facts: func(string) facts {
			key, label, order := stageKey()
			return facts{
				sql: conversionSQL, sums: conversionSums, key: key, label: label, order: order,
				measures: []Column{
					measure("entered", TypeInteger, "Entered", "进入"), measure("advanced", TypeInteger, "Advanced", "进入后续阶段"),
					measure("won", TypeInteger, "Won by now", "现已赢单"), measure("lost", TypeInteger, "Lost by now", "现已输单"),
					measure("stays", TypeInteger, "Stays ended", "已结束停留次数"), measure("days", TypeDecimal, "Days at the stage", "停留天数"),
				},
				derived: []Column{
					derived("conversion", TypePercent, "Conversion", "转化率", "round(100.0 * coalesce(g.advanced, 0) / nullif(g.entered, 0), 2)"),
					derived("stay", TypeDecimal, "Average days at the stage", "平均停留天数", `round(g.days / nullif(g.stays, 0), 1)`),
				},
				record: opportunityColumns(),
			}
		},
	}
}

// conversionSQL counts an opportunity once a stage, by its first entry in the period: of several, that one has most behind
// it. What came later is in the stay itself; only of who returned the stays are looked up. The offset keeps the stages below
// a stage from being asked for with each stay.
const (
	conversionSQL = `
select 'opportunity' as kind, e.opportunity_id as id, s.seq, s.code as key, @base::text as currency, d.number, d.created_at::date as date, e.customer_id, d.name, d.stage,
	1 as entered, case when e.reached && s.further then 1 end as advanced,
	case e.status when 'won' then 1 end as won, case e.status when 'lost' then 1 end as lost,
	nullif(case when e.returned then (select count(x.left_at) ` + staysInPeriod + `) else (e.left_at is not null)::integer end, 0) as stays,
	round(case when e.returned then (select extract(epoch from sum(x.left_at - x.entered_at)) ` + staysInPeriod + `)
		else extract(epoch from e.left_at - e.entered_at) end / 86400.0, 2) as days
from opportunity_stays e
join ` + openStages + ` on s.code = e.stage
left join opportunities d on d.id = e.opportunity_id
where ` + stagesEntered

	// conversionSums are the same of who never returned, as workers count them who went the same way, and the facts of the others.
	conversionSums = `
	select key, currency, sum(entered) as entered, sum(advanced) as advanced, sum(won) as won, sum(lost) as lost, sum(stays) as stays, sum(days) as days
	from (
		select s.code as key, @base::text as currency, e.entered, case when e.reached && s.further then e.entered end as advanced,
			case e.status when 'won' then e.entered end as won, case e.status when 'lost' then e.entered end as lost, nullif(e.stays, 0) as stays, e.days
		from (
			select e.stage, e.reached, e.status, count(*) as entered, count(e.left_at) as stays,
				sum(round(extract(epoch from e.left_at - e.entered_at) / 86400.0, 2)) as days
			from opportunity_stays e
			where not e.returned and ` + stagesEntered + `
			group by 1, 2, 3
		) e
		join ` + openStages + ` on s.code = e.stage
		union all
		select key, currency, entered, advanced, won, lost, stays, days from (` + conversionSQL + ` and e.returned
		) f
	) f group by 1, 2`

	stagesEntered = `e.pipeline_id = ` + ofPipeline + ` and e.entered_at >= @from::date::timestamptz and e.entered_at < (@to::date + 1)::timestamptz
	and coalesce(e.entered_before < @from::date::timestamptz, true)
	and not e.deleted and (@owner_id::uuid is null or e.owner_id = @owner_id::uuid) and (@customer_id::uuid is null or e.customer_id = @customer_id::uuid)`
	openStages = `(
	select o.code, o.seq, array(select f.code from pipeline_stages f where f.pipeline_id = o.pipeline_id and f.seq > o.seq and f.kind <> 'lost') as further
	from pipeline_stages o where o.pipeline_id = ` + ofPipeline + ` and o.kind = 'open' offset 0
) s`
	staysInPeriod = `from opportunity_stays x
	where x.opportunity_id = e.opportunity_id and x.pipeline_id = e.pipeline_id and x.stage = e.stage
		and x.entered_at >= @from::date::timestamptz and x.entered_at < (@to::date + 1)::timestamptz`
)

func forecast() Report {
	return Report{
		Name: "forecast", Title: Text{"Weighted forecast", "加权预测"},
		Amounts: []crm.Kind{crm.KindOpportunity}, Fields: opportunityFields("probability", "forecast_category", "expected_close"),
		Definition: Text{
			En: "The open opportunities by the month their close is expected: weighted = the sum of amount × probability ÷ 100. Commit, best case and pipeline are their whole " +
				"amounts by forecast category, and slipped is the weighted part whose day has passed. What is omitted from the forecast is shown, and is in no other column. " +
				"What is won or lost never counts. In the base currency amounts are turned at each opportunity's own rate.",
			Zh: "未关闭商机按预计成交月份汇总：加权金额 = Σ 金额 × 概率 ÷ 100。承诺、乐观、管道为按预测类别的全额；预计日期已过的加权部分为“逾期”。" +
				"不纳入预测的商机单列，不计入其他各列。赢单与输单均不计。折算本位币时使用各商机自身汇率。",
		},
		Parameters: []Parameter{by("month", "category", "owner", "customer", "pipeline"), anyPipeline(), ownerID(), customerID(), currency(), perCurrency(), limit()},
		facts: func(by string) facts {
			if by == "month" {
				by = "expected_month"
			}
			d := opportunityDimensions()[by]
			return facts{
				sql: forecastSQL(d.sql), key: &d.key, label: d.label, order: cmp.Or(d.order, "weighted desc nulls last"),
				measures: []Column{
					measure("weighted", TypeAmount, "Weighted", "加权金额"), measure("opportunities", TypeInteger, "Opportunities", "商机数"),
					measure("amount", TypeAmount, "Amount", "金额"), measure("commit", TypeAmount, "Commit", "承诺"),
					measure("best_case", TypeAmount, "Best case", "乐观"), measure("pipeline", TypeAmount, "Pipeline", "管道"),
					measure("slipped", TypeAmount, "Of weighted, slipped", "其中逾期（加权）"), measure("omitted", TypeAmount, "Omitted", "不纳入预测"),
				},
				record: append(opportunityColumns(), measure("expected_close", TypeDate, "Expected close", "预计成交日期"), measure("probability", TypeInteger, "Probability", "概率")),
				labels: map[string]Text{
					"commit": {"Commit", "承诺"}, "best_case": {"Best case", "乐观"}, "pipeline": {"Pipeline", "管道"}, "omitted": {"Omitted", "不纳入预测"},
				},
			}
		},
	}
}

func forecastSQL(key string) string {
	of := func(category string) string {
		return `case when d.forecast_category = '` + category + `' then ` + amount("d.amount") + ` end as ` + category
	}
	const counts = `d.forecast_category <> 'omitted'`
	weighted := amount("d.amount * d.probability / 100")
	return `
select 'opportunity' as kind, d.id, 0 as seq, ` + key + ` as key, ` + documentCurrency + ` as currency,
	d.number, d.created_at::date as date, d.customer_id, d.name, d.stage, d.expected_close, d.probability,
	case when ` + counts + ` then ` + weighted + ` end as weighted,
	case when ` + counts + ` then 1 end as opportunities,
	case when ` + counts + ` then ` + amount("d.amount") + ` end as amount,
	case when ` + counts + ` and d.expected_close < @today::date then ` + weighted + ` end as slipped,
	` + of("commit") + `, ` + of("best_case") + `, ` + of("pipeline") + `, ` + of("omitted") + `
from opportunities d
where ` + opportunityOpen + ` and (@pipeline_id::uuid is null or d.pipeline_id = @pipeline_id::uuid) and ` + documentFilter
}
