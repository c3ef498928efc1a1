package crm

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

// anyEntity draws a normalized entity that keeps every rule of its type; what it refers to does not exist.
func anyEntity(t *rapid.T, k Kind) Entity {
	e := New(k)
	anyFields(t, shapes()[k][headFields:], reflect.ValueOf(e).Elem())
	switch e := e.(type) {
	case *Order:
		if e.Status == "on_hold" && e.HeldStatus == "" {
			e.HeldStatus = "confirmed"
		}
		for i := range e.Lines {
			l := &e.Lines[i]
			l.Price = l.Price.Abs()
			l.Qty = l.Qty.Abs()
		}
	case *Invoice:
		day := DateOf(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC))
		e.IssueDate = &day
		e.Untaxed, e.Tax = decimal.Zero, decimal.Zero
		for i := range e.Lines {
			l := &e.Lines[i]
			l.Untaxed, l.Tax = l.Untaxed.Abs(), l.Tax.Abs()
			if e.Type == "credit_note" {
				l.Untaxed, l.Tax = l.Untaxed.Neg(), l.Tax.Neg()
			}
			e.Untaxed, e.Tax = e.Untaxed.Add(l.Untaxed), e.Tax.Add(l.Tax)
		}
		e.Total = e.Untaxed.Add(e.Tax)
	case *Payment:
		e.Allocations = e.Allocations[:0]
		for range rapid.IntRange(0, 3).Draw(t, "allocations") {
			e.Allocations = append(e.Allocations, PaymentAllocation{InvoiceID: anyID(t), Amount: e.Amount.Div(decimal.NewFromInt(3)).Truncate(4)})
		}
		if e.Amount.Abs().LessThan(decimal.NewFromInt(1)) {
			e.Allocations = nil
		}
	default:
		mend(t, e)
	}
	e.Normalize()
	return e
}

// mend makes what was drawn field by field keep the rules between fields.
func mend(t *rapid.T, e Entity) {
	switch e := e.(type) {
	case *Customer:
		for i := range e.InvoiceProfiles {
			e.InvoiceProfiles[i].IsDefault = i == 1
		}
	case *Segment:
		for i := range e.Rule {
			e.Rule[i] = SegmentCondition{Field: "name", Op: "contains", Values: []string{anyText(t, field{name: "value", max: 300})}}
		}
		for i := range e.Members {
			id := anyID(t)
			e.Members[i] = SegmentMember{CustomerID: &id}
			if e.Subject == "contact" {
				e.Members[i] = SegmentMember{ContactID: &id}
			}
		}
		if e.Type == "rule" {
			e.Rule, e.Members = append(e.Rule, SegmentCondition{Field: "ext.region", Op: "null", Values: []string{"true"}}), nil
		} else {
			e.Rule = nil
		}
	case *Campaign:
		e.Currency, e.EndDate = "EUR", nil
	case *CampaignMember:
		if e.CustomerID = nil; e.ContactID == nil {
			e.CustomerID = new(anyID(t))
		}
	case *Pipeline:
		e.IsActive = true
		for i := range e.Stages {
			s := &e.Stages[i]
			s.Code, s.Kind, s.Probability = strconv.Itoa(i), []string{"open", "lost"}[i%2], 1+s.Probability%99
			s.RottenDays = nil
		}
		e.Stages = append(e.Stages, PipelineStage{Code: "open", Name: "x", Probability: 1}, PipelineStage{Code: "won", Name: "x", Kind: "won"}, PipelineStage{Code: "lost", Name: "x", Kind: "lost"})
	case *Opportunity:
		e.LostReason = "price"
		if e.Probability != nil {
			*e.Probability %= 101
		}
	case *Contract:
		e.EndDate = nil
		e.StartDate = new(DateOf(anyInstant(t)))
	case *Ticket:
		e.OwnerID = new(anyID(t))
	case *Feedback:
		e.Text = "x"
		if e.Score != nil {
			*e.Score = 1 + *e.Score%5
		}
		if e.NPS != nil {
			*e.NPS %= 11
		}
	case *Activity:
		e.NextContactAt = nil
		if e.Minutes != nil {
			*e.Minutes %= 100
		}
	case *Price:
		e.ValidTo = nil
	case *CurrencyRate:
		e.Currency, e.Base = "USD", "EUR"
	case *CustomField:
		e.Entity, e.Name, e.Refers = "customer", rapid.StringMatching(`[a-z][a-z0-9_]{0,9}`).Draw(t, "name"), ""
		switch e.Choices = nil; e.Type {
		case "choice":
			e.Choices = []string{"a", "b"}
		case "reference":
			e.Refers = "user"
		}
	}
}

func anyFields(t *rapid.T, s shape, v reflect.Value) {
	for _, f := range s {
		target := v.FieldByIndex(f.index)
		if f.optional && !f.required && rapid.Bool().Draw(t, "leave out "+f.name) {
			continue
		}
		if f.pointer {
			target.Set(reflect.New(f.goType))
			target = target.Elem()
		}
		anyValue(t, f, target)
	}
}

func anyValue(t *rapid.T, f field, v reflect.Value) {
	switch f.typ {
	case text:
		v.SetString(anyText(t, f))
	case boolean:
		v.SetBool(rapid.Bool().Draw(t, f.name))
	case integer:
		v.SetInt(int64(rapid.Int32Range(0, 1<<31-1).Draw(t, f.name)))
	case number:
		v.Set(reflect.ValueOf(anyNumber(t, f)))
	case id:
		v.Set(reflect.ValueOf(anyID(t)))
	case day:
		v.Set(reflect.ValueOf(DateOf(anyInstant(t))))
	case instant:
		v.Set(reflect.ValueOf(anyInstant(t)))
	case object:
		anyFields(t, f.elem, v)
	case list:
		n := rapid.IntRange(0, 4).Draw(t, f.name)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			anyFields(t, f.elem, v.Index(i))
		}
	case texts:
		n := rapid.IntRange(0, 3).Draw(t, f.name)
		items := make([]string, n)
		for i := range items {
			items[i] = anyText(t, f)
		}
		v.Set(reflect.ValueOf(items))
	case document:
		b, err := json.Marshal(rapid.MapOf(rapid.StringMatching(`[a-z]{1,5}`), rapid.StringMatching(`[ a-zä-ü]{0,5}`)).Draw(t, f.name))
		if err != nil {
			t.Fatal(err)
		}
		v.SetBytes(b)
	}
}

func anyText(t *rapid.T, f field) string {
	if len(f.enum) > 0 {
		return rapid.SampledFrom(f.enum).Draw(t, f.name)
	}
	samples := map[string][]string{
		"email": {"a@example.com", "a.b+c@example.co.uk"}, "phone": {"+86 10 1234 5678", "(030) 123-456 x12"},
		"website": {"https://example.com/x?y=1", "example.com"}, "currency": {"EUR", "JPY", "KWD", "cny"}, "country": {"CN", "de"},
		"uscc": {"91350100M000100Y43", "91350100m000100y4x"},
	}
	if f.format != "" {
		return rapid.SampledFrom(samples[f.format]).Draw(t, f.name)
	}
	return strings.Repeat("x", min(f.max, 1)) + rapid.StringMatching(`[ -~ä-ü一-十]{0,20}`).Draw(t, f.name)
}

func anyNumber(t *rapid.T, f field) decimal.Decimal {
	if f.name == "tax_rate" { // few, so that lines share them
		return decimal.RequireFromString(rapid.SampledFrom([]string{"0", "7", "19", "13", "5.5"}).Draw(t, f.name))
	}
	most := int64(1_000_000)
	if f.precision == 7 {
		most = 100
	}
	whole := rapid.Int64Range(0, most-1).Draw(t, f.name)
	part := rapid.Int64Range(0, 9999).Draw(t, f.name+" part")
	if f.required && whole == 0 {
		whole = 1
	}
	return decimal.New(whole*10_000+part, -4)
}

func anyID(t *rapid.T) uuid.UUID {
	var u uuid.UUID
	copy(u[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	u[0] |= 1
	return u
}

func anyInstant(t *rapid.T) time.Time {
	return time.UnixMicro(rapid.Int64Range(-2_000_000_000_000_000, 4_000_000_000_000_000).Draw(t, "instant")).UTC()
}
