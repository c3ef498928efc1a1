package console

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// field is a field of a kind as the console shows it and asks for it, in the visitor's language.
type field struct {
	crm.Field
	vocabulary string // where its words are: order.lines.qty
	label      string
	fields     []field // of an object, or of each item of a list
}

// customPrefix begins the names of custom fields, here and in filters: ext.region.
const customPrefix = "ext."

// fields are the fields of a kind that the visitor sees at all, those that the organization added among them.
func (v *visit) fields(ctx context.Context, tx pgx.Tx, k crm.Kind) ([]field, error) {
	fields := v.describe(string(k), crm.Fields(k))
	fields = slices.DeleteFunc(fields, func(f field) bool {
		return f.Name == "ext" || v.who.Field(access.Resource(k), f.Name) == access.FieldHidden
	})
	if v.who.Hides(access.Resource(k), "ext") || k == crm.KindCustomField {
		return fields, nil
	}
	custom, err := v.customFields(ctx, tx, k)
	return append(fields, custom...), err
}

func (v *visit) describe(vocabulary string, fields []crm.Field) []field {
	described := make([]field, len(fields))
	for i, f := range fields {
		at := vocabulary + "." + f.Name
		described[i] = field{Field: f, vocabulary: at, label: v.label(at), fields: v.describe(at, f.Fields)}
	}
	return described
}

// label is what a field is called: in its kind, or anywhere.
func (v *visit) label(vocabulary string) string {
	steps := strings.Split(vocabulary, ".")
	name := steps[len(steps)-1]
	if s, ok := v.words()["field."+steps[0]+"."+name]; ok {
		return s
	}
	return v.words().text("field." + name)
}

// customFields are the fields that the organization added to a kind, as it calls them.
func (v *visit) customFields(ctx context.Context, tx pgx.Tx, k crm.Kind) ([]field, error) {
	page, err := v.console.CRM.List(ctx, tx, crm.KindCustomField, crm.Query{
		Filter: []crm.Condition{{Field: "entity", Op: crm.OpEqual, Value: string(k)}, {Field: "is_active", Op: crm.OpEqual, Value: "true"}},
		Sort:   []crm.Sort{{Field: "position"}, {Field: "name"}}, Limit: 200,
	})
	if err != nil {
		return nil, err
	}
	types := map[string]string{"number": "number", "date": "date", "boolean": "boolean", "reference": "id"}
	var fields []field
	for _, e := range page.Items {
		c, _ := e.(*crm.CustomField)
		label := c.LabelEn
		if v.lang == "zh-CN" && c.LabelZh != "" || label == "" {
			label = c.LabelZh
		}
		if label == "" {
			label = c.Name
		}
		typ, ok := types[c.Type]
		if !ok {
			typ = "text"
		}
		fields = append(fields, field{
			Field:      crm.Field{Name: customPrefix + c.Name, Type: typ, Required: c.IsRequired, Enum: c.Choices, Refers: crm.Kind(c.Refers), Max: 300},
			vocabulary: customPrefix + c.Name, label: label,
		})
	}
	return fields, nil
}

// custom reports whether the organization added the field.
func (f field) custom() bool { return strings.HasPrefix(f.Name, customPrefix) }

// single reports whether the field holds one value, so that rows can be sorted by it.
func (f field) single() bool {
	return !slices.Contains([]string{"object", "list", "document", "texts"}, f.Type)
}

// long reports whether a text takes several lines.
func (f field) long() bool { return f.Type == "text" && f.Max > 1000 }

// numeric reports whether values stand right-aligned.
func (f field) numeric() bool { return f.Type == "number" || f.Type == "integer" }

// amount reports whether a number is money, in the currency of its record.
func (f field) amount() bool {
	return f.Type == "number" && !f.custom() && !f.percent() &&
		!slices.Contains([]string{"qty", "qty_delivered", "qty_billed", "min_qty", "rate", "rate_to_base"}, f.Name)
}

func (f field) percent() bool {
	return slices.Contains([]string{"discount_pct", "tax_rate", "probability"}, f.Name)
}

// group is where a page puts the field.
func (f field) group() string {
	switch {
	case f.Head:
		return "record"
	case f.custom():
		return "custom"
	case f.Type == "id":
		return "people"
	case slices.Contains([]string{"phone", "mobile", "email", "website"}, f.Name):
		return "reach"
	case f.amount(), slices.Contains([]string{"currency", "base", "payment_term", "tax_rate", "rate_to_base", "rate", "is_frozen", "min_qty", "method"}, f.Name):
		return "money"
	case f.Type == "date" || f.Type == "instant":
		return "time"
	case f.long():
		return "text"
	default:
		return "main"
	}
}

// groups are the parts of a page, in their order.
func groups() []string {
	return []string{"main", "people", "money", "reach", "time", "text", "custom", "record"}
}

// valueIn is a field's value in a document; nil if there is none.
func (f field) valueIn(doc map[string]any) any {
	if name, ok := strings.CutPrefix(f.Name, customPrefix); ok {
		ext, _ := doc["ext"].(map[string]any)
		return ext[name]
	}
	return doc[f.Name]
}

// word is what a value out of a few is called.
func (v *visit) word(f field, value string) string {
	if f.custom() {
		return value
	}
	kind, _, _ := strings.Cut(f.vocabulary, ".")
	for _, key := range []string{"choice." + f.vocabulary + "." + value, "choice." + kind + "." + f.Name + "." + value, "choice." + f.Name + "." + value} {
		if s, ok := v.words()[key]; ok {
			return s
		}
	}
	return value
}

// words is the catalogue of the visitor's language.
func (v *visit) words() catalogue { return v.console.render.words[v.lang] }

// say gives the words of a key.
func (v *visit) say(key string, args ...any) string { return v.words().text(key, args...) }
