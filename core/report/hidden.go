package report

import (
	"maps"
	"slices"

	"crmhub/core/crm"
)

// What a report keeps from somebody to whom fields are hidden. Blind are, of a kind, the fields that are not shown plainly to him.

// HiddenField is a field of a kind that somebody would have to see.
type HiddenField struct {
	Kind   crm.Kind
	Field  string
	Amount bool // the report adds it up
}

// Hidden finds a field that keeps the whole report from somebody: an amount that it adds up, or what it always shows.
func (r Report) Hidden(blind func(crm.Kind) []string) (h HiddenField, ok bool) {
	for _, kind := range r.Amounts {
		for _, field := range blind(kind) {
			if crm.IsAmount(kind, field) {
				return HiddenField{Kind: kind, Field: field, Amount: true}, true
			}
		}
	}
	return among(r.Fields, blind)
}

// HiddenBy finds a field that keeps what is asked for from somebody: one of the report, one that the rows would be grouped by,
// or one that they would be narrowed by.
func (r Report) HiddenBy(given Parameters, blind func(crm.Kind) []string) (HiddenField, bool) {
	if h, ok := r.Hidden(blind); ok {
		return h, true
	}
	asked := map[crm.Kind][]string{}
	for _, p := range r.Parameters {
		switch {
		case p.Type == "id" && given[p.Name] != "":
			r.ask(asked, p.Name)
		case p.Name == "by":
			by := given["by"]
			if !slices.Contains(p.Choices, by) {
				by = p.Choices[0]
			}
			if key := r.facts(by).key; key != nil {
				r.askKey(asked, key.Name)
			}
		}
	}
	return among(asked, blind)
}

// askKey adds the fields by which rows with such a key are grouped.
func (r Report) askKey(asked map[crm.Kind][]string, key string) {
	switch key {
	case "country", "province":
		asked[crm.KindCustomer] = append(asked[crm.KindCustomer], "addresses")
	case "category":
		asked[crm.KindProduct] = append(asked[crm.KindProduct], "category")
	case "product":
		r.ask(asked, "product_id")
		r.ask(asked, "lines")
	case "document_currency":
		r.ask(asked, "currency")
	default:
		r.ask(asked, key)
		r.ask(asked, key+"_id")
	}
}

// ask adds a field of the documents that the report is made of, where they have it.
func (r Report) ask(asked map[crm.Kind][]string, field string) {
	kinds := append(slices.Collect(maps.Keys(r.Fields)), r.Amounts...)
	for _, kind := range kinds {
		asked[kind] = append(asked[kind], field)
	}
}

func among(fields map[crm.Kind][]string, blind func(crm.Kind) []string) (HiddenField, bool) {
	for _, kind := range slices.Sorted(maps.Keys(fields)) {
		for _, field := range blind(kind) {
			if slices.Contains(fields[kind], field) {
				return HiddenField{Kind: kind, Field: field}, true
			}
		}
	}
	return HiddenField{}, false
}

// Veil takes from a result what the things that its rows are about are called, where that is hidden.
func (r Result) Veil(blind func(crm.Kind) []string) {
	i := slices.IndexFunc(r.Columns, func(c Column) bool { return c.Name == "key" })
	if i < 0 {
		return
	}
	kind := crm.Kind(r.Columns[i].Of)
	if !slices.Contains(crm.Kinds(), kind) || !slices.Contains(blind(kind), crm.TitleField(kind)) {
		return
	}
	for _, row := range r.Rows {
		delete(row, "label")
	}
}

// Veil takes from records what is hidden of them.
func (p Page) Veil(blind func(crm.Kind) []string) {
	hidden := map[crm.Kind][]string{}
	for _, row := range p.Items {
		name, _ := row["kind"].(string)
		kind := crm.Kind(name)
		if _, asked := hidden[kind]; !asked {
			hidden[kind] = blind(kind)
		}
		for _, c := range p.Columns {
			if c.Record && slices.ContainsFunc(hidden[kind], func(field string) bool { return field == c.Name || c.Name == "date" && field == dateOf(kind) }) {
				delete(row, c.Name)
			}
		}
	}
}

// dateOf is the field that the column of dates shows of a kind.
func dateOf(kind crm.Kind) string {
	switch kind {
	case crm.KindInvoice:
		return "issue_date"
	case crm.KindFeedback:
		return "at"
	default:
		return "date"
	}
}
