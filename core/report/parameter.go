package report

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/money"
	"crmhub/core/schema"
)

// Parameter is what a report can be asked for. All may be left out.
type Parameter struct {
	Name    string   `json:"name"`
	Type    string   `json:"type" enum:"date,id,currency,choice,boolean,integer"`
	Choices []string `json:"choices,omitempty"` // of a choice; the first is the default
	Default int      `json:"default,omitempty"` // of an integer
	Min     int      `json:"min,omitempty"`     // of an integer
	Max     int      `json:"max,omitempty"`     // of an integer
	Title   Text     `json:"title"`
}

func from() Parameter {
	return Parameter{Name: "from", Type: "date", Title: Text{
		"First day of the period; the first of the month eleven months before the last day if left out.", "期间的第一天；省略时为期末之前第十一个月的一号。",
	}}
}

func to() Parameter {
	return Parameter{Name: "to", Type: "date", Title: Text{"Last day of the period; today if left out.", "期间的最后一天；省略时为今天。"}}
}

func asOf() Parameter {
	return Parameter{Name: "as_of", Type: "date", Title: Text{"The day as of which it is reckoned; today if left out.", "截止日期；省略时为今天。"}}
}

func ownerID() Parameter {
	return Parameter{Name: "owner_id", Type: "id", Title: Text{"What belongs to this user only.", "只看该负责人的。"}}
}

func customerID() Parameter {
	return Parameter{Name: "customer_id", Type: "id", Title: Text{"This customer only.", "只看该客户。"}}
}

func currency() Parameter {
	return Parameter{Name: "currency", Type: "currency", Title: Text{"Documents in this currency only.", "只看该币种的单据。"}}
}

func perCurrency() Parameter {
	return Parameter{Name: "per_currency", Type: "boolean", Title: Text{
		"Amounts as on the documents, a row for each currency; otherwise all are in the organization's base currency.",
		"按单据原币列示，每个币种一行；否则全部折算为组织的本位币。",
	}}
}

func by(choices ...string) Parameter {
	return Parameter{Name: "by", Type: "choice", Choices: choices, Title: Text{"What a row is about.", "分组方式。"}}
}

func integer(name string, preset, most int, title Text) Parameter {
	return Parameter{Name: name, Type: "integer", Default: preset, Min: 1, Max: most, Title: title}
}

func limit() Parameter {
	return integer("limit", 100, 1000, Text{"How many rows at most; the totals count all.", "最多返回的行数；合计不受影响。"})
}

// Parameters are a report's parameters as given: texts by name.
type Parameters map[string]string

// arguments are parameters read, with what was left out filled in.
type arguments struct {
	by    string
	named pgx.NamedArgs
	shown Parameters // to be returned with the result
}

// The days that reports look at. What lies beyond is a slip of the pen, and some dates PostgreSQL has Go has not.
var (
	firstDay = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)   //nolint:gochecknoglobals // a constant
	lastDay  = time.Date(2199, 12, 31, 0, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant
)

// read checks given parameters against those the report has. What is wrong is [schema.Violations], all of it.
func (r Report) read(given Parameters, today crm.Date) (arguments, error) {
	a := arguments{named: pgx.NamedArgs{}, shown: Parameters{}}
	var faults schema.Violations
	fault := func(name, rule, message string) {
		faults = append(faults, schema.Violation{Pointer: "/" + name, Rule: rule, Message: message})
	}
	for name := range given {
		if !slices.ContainsFunc(r.Parameters, func(p Parameter) bool { return p.Name == name }) {
			fault(name, "unknown", "is no parameter of this report")
		}
	}
	dates := map[string]crm.Date{}
	for _, p := range r.Parameters {
		text := given[p.Name]
		value, rule, message := p.read(text)
		if message != "" {
			fault(p.Name, rule, message)
			continue
		}
		switch v := value.(type) {
		case crm.Date:
			dates[p.Name] = v
		case string:
			if p.Name == "by" {
				a.by = v
			}
		}
		a.named[p.Name] = value
		if text != "" {
			a.shown[p.Name] = text
		} else if p.Default != 0 || len(p.Choices) > 0 {
			a.shown[p.Name] = textOf(value)
		}
	}
	if len(faults) > 0 {
		slices.SortFunc(faults, func(a, b schema.Violation) int { return strings.Compare(a.Pointer, b.Pointer) })
		return a, faults
	}
	a.named["today"] = today
	if err := a.setPeriod(dates, today); err != nil {
		return a, err
	}
	return a, nil
}

func (p Parameter) read(s string) (value any, rule, message string) {
	switch p.Type {
	case "date":
		if s == "" {
			return crm.Date{}, "", ""
		}
		d, err := crm.ParseDate(s)
		if err != nil {
			return nil, "format", "must be a date like 2006-01-02"
		}
		if d.Time().Before(firstDay) || d.Time().After(lastDay) {
			return nil, "range", "must lie between 1900 and 2199"
		}
		return d, "", ""
	case "id":
		if s == "" {
			return (*uuid.UUID)(nil), "", ""
		}
		id, err := uuid.Parse(s)
		if err != nil || len(s) != 36 {
			return nil, "format", "must be a UUID"
		}
		return &id, "", ""
	case "currency":
		if s == "" {
			return (*string)(nil), "", ""
		}
		if _, err := money.Digits(s); err != nil || strings.ToUpper(s) != s {
			return nil, "format", "must be an ISO 4217 currency like EUR"
		}
		return &s, "", ""
	case "boolean":
		if s != "" && s != "true" && s != "false" {
			return nil, "enum", "must be true or false"
		}
		return s == "true", "", ""
	case "integer":
		if s == "" {
			return p.Default, "", ""
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < p.Min || n > p.Max || !wholeForm.MatchString(s) {
			return nil, "range", "must be a whole number from " + strconv.Itoa(p.Min) + " to " + strconv.Itoa(p.Max)
		}
		return n, "", ""
	default:
		if s == "" {
			return p.Choices[0], "", ""
		}
		if !slices.Contains(p.Choices, s) {
			return nil, "enum", "must be one of " + strings.Join(p.Choices, ", ")
		}
		return s, "", ""
	}
}

var wholeForm = regexp.MustCompile(`^[0-9]+$`)

// setPeriod fills in the days left out, and derives the period before: as long as this one and ending the day before it.
// Whole months are compared with as many whole months.
func (a *arguments) setPeriod(dates map[string]crm.Date, today crm.Date) error {
	if d, ok := dates["as_of"]; ok {
		a.setDate("as_of", orElse(d, today))
	}
	to, ok := dates["to"]
	if !ok {
		return nil
	}
	to = orElse(to, today)
	from := orElse(dates["from"], crm.DateOf(monthOf(to.Time()).AddDate(0, -11, 0)))
	if to.Before(from) {
		return schema.Violations{{Pointer: "/from", Rule: "range", Message: "must not be after to"}}
	}
	a.setDate("from", from)
	a.setDate("to", to)
	end := to.Time().AddDate(0, 0, 1)
	days := int(end.Sub(from.Time()).Hours() / 24)
	months := (end.Year()-from.Time().Year())*12 + int(end.Month()) - int(from.Time().Month())
	before := from.Time().AddDate(0, 0, -days)
	a.named["shift_months"], a.named["shift_days"] = 0, days
	if from.Time().Day() == 1 && end.Day() == 1 {
		before = from.Time().AddDate(0, -months, 0)
		a.named["shift_months"], a.named["shift_days"] = months, 0
	}
	a.named["before"] = crm.DateOf(before)
	a.named["period_days"] = days
	return nil
}

func (a *arguments) setDate(name string, d crm.Date) {
	a.named[name], a.shown[name] = d, d.String()
}

func orElse(d, preset crm.Date) crm.Date {
	if d.IsZero() {
		return preset
	}
	return d
}

func monthOf(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }

func textOf(v any) string {
	switch v := v.(type) {
	case int:
		return strconv.Itoa(v)
	case string:
		return v
	default:
		return ""
	}
}
