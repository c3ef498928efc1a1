package console

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
)

// conditionFields are the fields that a segment's conditions may ask for, of one subject or of all with "".
func (v *visit) conditionFields(ctx context.Context, tx pgx.Tx, subject crm.Kind) ([]field, error) {
	var all []field
	for _, k := range []crm.Kind{crm.KindCustomer, crm.KindContact} {
		if subject != "" && k != subject {
			continue
		}
		fields, err := v.fields(ctx, tx, k)
		if err != nil {
			return nil, err
		}
		for _, f := range fields {
			known := slices.ContainsFunc(all, func(other field) bool { return other.Name == f.Name })
			if !known && !slices.Contains([]string{"list", "document", "object"}, f.Type) {
				all = append(all, f)
			}
		}
	}
	return all, nil
}

// conditionOptions offers them, and what is asked for now.
func conditionOptions(fields []field, now string) []option {
	options := []option{{"", "–", now == ""}}
	for _, f := range fields {
		options = append(options, option{f.Name, f.label, f.Name == now})
	}
	if !slices.ContainsFunc(options, func(o option) bool { return o.Chosen }) {
		options = append(options, option{now, now, true})
	}
	return options
}

// wordConditions puts words for fields and their values into the conditions of a segment's document.
func (v *visit) wordConditions(ctx context.Context, tx pgx.Tx, doc map[string]any) error {
	subject, _ := doc["subject"].(string)
	fields, err := v.conditionFields(ctx, tx, crm.Kind(subject))
	if err != nil {
		return err
	}
	rule, _ := doc["rule"].([]any)
	for _, item := range rule {
		condition, _ := item.(map[string]any)
		i := slices.IndexFunc(fields, func(f field) bool { return f.Name == condition["field"] })
		if i < 0 {
			continue
		}
		condition["field"] = fields[i].label
		values, _ := condition["values"].([]any)
		for j, value := range values {
			if word, ok := value.(string); ok && slices.Contains(fields[i].Enum, word) {
				values[j] = v.word(fields[i], word)
			}
		}
	}
	return nil
}
