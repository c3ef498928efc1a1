package report

import (
	"slices"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// Report is one analysis of live data.
type Report struct {
	Name       string      `json:"name"`
	Title      Text        `json:"title"`
	Definition Text        `json:"definition"` // what is counted, and how: the formula in words
	Parameters []Parameter `json:"parameters"`

	// Amounts are the kinds whose amounts the report shows: nothing for somebody who does not see those.
	Amounts []crm.Kind `json:"-"`
	// Fields are others that it shows or groups by, which a role may have rules about: nothing for whom they are hidden.
	Fields map[crm.Kind][]string `json:"-"`

	// facts are what the report is made of, by the choice of the parameter "by" ("" where there is none).
	facts func(by string) facts
}

// Text is a text for people, in the languages of the hub.
type Text struct {
	En string `json:"en"`
	Zh string `json:"zh-CN"`
}

// Column is a field of the rows of a result.
type Column struct {
	Name  string `json:"name"`
	Type  Type   `json:"type"`
	Title Text   `json:"title"`

	Derived bool   `json:"derived,omitempty"` // computed from the others: it does not add up, and has no records behind it
	Of      string `json:"-"`                 // of the key: what it is a key of ("customer", "month")
	Record  bool   `json:"-"`                 // it tells of a record behind a number, and is no measure
	sql     string // of a derived column: an expression over the measures
}

// Type says how a column's values are written in JSON. Each may be null.
type Type string

// The types.
const (
	TypeText    Type = "text"
	TypeID      Type = "id"      // a UUID
	TypeDate    Type = "date"    // "2006-01-02"
	TypeMonth   Type = "month"   // "2006-01"
	TypeInteger Type = "integer" // a number
	TypeDecimal Type = "decimal" // a string, as of a rate or a number of days: "12.5"
	TypePercent Type = "percent" // a string: "12.5" is 12.5 %
	TypeAmount  Type = "amount"  // a string; its currency is the row's field "currency"
	TypeReasons Type = "reasons" // a list of contributions to a score: [{"reason":"silent","points":40}]
)

// ErrNotFound says that there is no report of this name.
var ErrNotFound = postgres.NotFound("no such report")

// facts are a report's one SQL text and how to read it.
type facts struct {
	// sql selects a row for each record: kind ('order'), id and seq (which record), key (the group it counts in),
	// currency (of its amounts), every measure (what it contributes; null where it does not), and the record's columns.
	// It has the names of the parameters (@from) for arguments.
	sql string
	// sums selects what the facts come to, a row for each key and currency, with "packed" where there are reasons: it is there
	// where the server would take much longer to find each fact first. "": the facts are summed up.
	sums string
	// ranked are common table expressions, the last of which, ranked, has the keys of the rows that come first, and maybe more: where there may
	// be so many groups that the facts are summed up (to grouped) for those alone. totals then selects rows, fewer than the facts, that come to the
	// same by currency.
	ranked, totals string
	// daily selects rows, fewer than the facts, that come to the same by key and currency: what is added up instead. "": the facts are.
	daily string
	// settings are further ones of the transaction, as [settings].
	settings string

	key      *Column // what a row is about; nil: there is one row a currency
	label    string  // SQL that names the key of the row g for people; "" if the key speaks for itself
	labels   map[string]Text
	measures []Column
	derived  []Column
	reasons  []string // what the facts of a score are, by seq from 1; nil if the report has none
	record   []Column // what a row behind a number shows besides its measures
	order    string   // of the rows; the key comes last
}

// columns are those of the rows of a result.
func (f facts) columns() []Column {
	var all []Column
	if f.key != nil {
		key := *f.key
		key.Name, key.Of = "key", f.key.Name
		all = append(all, key)
		if f.label != "" {
			all = append(all, Column{Name: "label", Type: TypeText, Title: Text{"Name", "名称"}})
		}
	}
	all = append(all, currencyColumn)
	all = append(all, f.measures...)
	all = append(all, f.derived...)
	if f.reasons != nil {
		all = append(all, Column{Name: "reasons", Type: TypeReasons, Title: Text{"Reasons", "得分原因"}})
	}
	return all
}

// recordColumns are those of the rows behind a number.
func (f facts) recordColumns() []Column {
	all := []Column{
		{Name: "kind", Type: TypeText, Title: Text{"Kind", "类型"}},
		{Name: "id", Type: TypeID, Title: Text{"Record", "记录"}},
		{Name: "key", Type: TypeText, Title: Text{"Group", "分组"}},
		currencyColumn,
	}
	if f.key != nil {
		all[2].Type, all[2].Of = f.key.Type, f.key.Name
	}
	all = append(all, f.measures...)
	for _, c := range f.record {
		c.Record = true
		all = append(all, c)
	}
	return all
}

var currencyColumn = Column{Name: "currency", Type: TypeText, Title: Text{"Currency", "币种"}} //nolint:gochecknoglobals // a constant

// All returns every report there is, in the order people look for them.
func All() []Report {
	return []Report{
		overview(), booked(), invoiced(), targetsReport(),
		rfm(), abc(), customerValue(), potentialCustomers(), atRiskCustomers(),
		funnel(), stageConversion(), winRate(), lostReasons(), forecast(), salesVelocity(),
		campaignResponse(), campaignReturn(),
		receivablesAging(), dso(), expectedCash(), paymentsReceived(),
		serviceTimes(), satisfaction(),
	}
}

// Find returns the report of a name, or [ErrNotFound].
func Find(name string) (Report, error) {
	all := All()
	i := slices.IndexFunc(all, func(r Report) bool { return r.Name == name })
	if i < 0 {
		return Report{}, ErrNotFound
	}
	return all[i], nil
}
