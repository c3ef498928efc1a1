package listview

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"crmhub/core/crm"
	"crmhub/core/schema"
)

// What a filter may say besides values: who looks, and nobody.
const (
	me     = "me"
	nobody = "none"
)

// user is what owners refer to.
const user = crm.Kind("user")

// Conditions reads a filter as addresses write it: {"status": "draft", "total[ge]": "100"}. Where a field refers to a user, "me" is
// whoever looks; where it refers to anything, "none" is nothing; days stand for instants, in a time zone. Whether there are such
// fields, and the values fit them, the store says. A name that is no condition is [schema.Violations].
func Conditions(filter map[string]string, fields []crm.Field, whoLooks uuid.UUID, zone *time.Location) ([]crm.Condition, error) {
	var all []crm.Condition
	var faults schema.Violations
	for _, name := range slices.Sorted(maps.Keys(filter)) {
		c, ok := crm.ParseCondition(name, filter[name])
		if !ok {
			faults = append(faults, schema.Violation{
				Pointer: "/filter/" + schema.EscapePointer(name), Rule: "syntax", Message: "must be a field, or a field and an operator like total[ge]",
			})
			continue
		}
		if i := slices.IndexFunc(fields, func(f crm.Field) bool { return f.Name == c.Field }); i >= 0 {
			c = meant(c, fields[i], whoLooks, zone)
		}
		all = append(all, c)
	}
	return all, faults.Err()
}

func meant(c crm.Condition, f crm.Field, whoLooks uuid.UUID, zone *time.Location) crm.Condition {
	switch {
	case c.Value == me && f.Refers == user:
		c.Value = whoLooks.String()
	case c.Value == nobody && f.Refers != "":
		c.Op, c.Value = crm.OpNull, "true"
	case f.Type == "instant":
		return dayAsInstant(c, zone)
	}
	return c
}

// dayAsInstant makes the beginning of a day of it, or with "le" its end.
func dayAsInstant(c crm.Condition, zone *time.Location) crm.Condition {
	s, _ := c.Value.(string)
	day, err := time.ParseInLocation(time.DateOnly, s, zone)
	if err != nil {
		return c
	}
	if c.Op == crm.OpLessEqual {
		c.Op, day = crm.OpLess, day.AddDate(0, 0, 1)
	}
	c.Value = day.UTC().Format(time.RFC3339)
	return c
}
