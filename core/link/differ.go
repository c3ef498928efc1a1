package link

import (
	"maps"

	"crmhub/core/mapping"
)

// Differing is a field of which entity and record say different things.
type Differing struct {
	Field        string
	Ours, Theirs any
}

// Differ compares an entity with what its record says, field by field, as [Merge] does: of a field, only the parts that the
// mapping carries count, and a field that the record does not name is not compared.
func Differ(ours, theirs map[string]any, fields []mapping.Field) []Differing {
	var all []Differing
	for _, f := range fields {
		there, said := theirs[f.Path]
		if !f.Pull || !said {
			continue
		}
		if here := shapeOf(there).of(ours[f.Path]); !equal(here, there) {
			all = append(all, Differing{Field: f.Path, Ours: here, Theirs: there})
		}
	}
	return all
}

// Side is whose value of a field counts.
type Side string

// The sides.
const (
	Ours   Side = "ours"
	Theirs Side = "theirs"

	Neither Side = "neither" // the record is not asked about the field: what was agreed on stays agreed on
)

// Decide returns the base with which a merge decides fields as somebody said: the one whose value counts has changed since,
// the other has not. The base itself stays as it is.
func Decide(s Sides, decided map[string]Side) map[string]any {
	if len(decided) == 0 {
		return s.Base
	}
	base := make(map[string]any, len(s.Base)+len(decided))
	maps.Copy(base, s.Base)
	for field, side := range decided {
		switch side {
		case Ours:
			base[field] = s.Theirs[field]
		case Theirs:
			base[field] = s.Ours[field]
		case Neither:
		}
	}
	return base
}
