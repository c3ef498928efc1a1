package link

import (
	"maps"
	"slices"
	"time"

	"crmhub/core/mapping"
)

// Sides are the three documents of a merge: entity documents, of which the mapped fields count.
type Sides struct {
	// Base is what was last agreed. A field it does not name was never agreed on; nil means none was.
	Base map[string]any
	// Ours is the entity, Theirs the record as the mapping reads it. A field of Theirs that is absent is empty there.
	// Within a field, what Theirs does not name is not mapped and stays as it is.
	Ours, Theirs map[string]any
	// OursAt and TheirsAt are the times of the last change, for fields whose authority is the newest.
	OursAt, TheirsAt time.Time
}

// Conflict is a field that both sides changed and that the mapping leaves to a person.
type Conflict struct {
	Field              string
	Base, Ours, Theirs any
}

// Merged is the result of a merge.
type Merged struct {
	Fields    map[string]any // every mapped field as it should be; nil for an empty one
	Write     bool           // the entity differs from that
	Push      bool           // the record differs from that, as far as fields can be pushed
	Conflicts []Conflict
	Snapshot  map[string]any // the next base: what the remote holds, or the old base of a field in conflict
}

// Merge is the three-way merge, field by field. What one side changed flows to the other; what both changed to the same
// has converged; what both changed to different values goes by the field's authority. On the first match of two
// things that existed before there is no base: an empty value then gives way to the other, and authority decides the
// rest. Merge changes none of its arguments and invents no value: each field is ours, theirs, or ours with the mapped
// parts of theirs.
func Merge(s Sides, fields []mapping.Field) Merged {
	m := Merged{Fields: make(map[string]any, len(fields)), Snapshot: maps.Clone(s.Base)}
	if m.Snapshot == nil {
		m.Snapshot = make(map[string]any, len(fields))
	}
	for _, f := range fields {
		m.field(s, f)
	}
	return m
}

func (m *Merged) field(s Sides, f mapping.Field) {
	base, agreed := s.Base[f.Path]
	ours, theirs := s.Ours[f.Path], s.Theirs[f.Path]
	m.Fields[f.Path] = ours
	if !f.Pull { // nothing is known of theirs
		m.Push = m.Push || f.Push && !equal(ours, base)
		return
	}
	part := shapeOf(theirs)
	mapped := part.of(ours)
	if equal(mapped, theirs) {
		m.Snapshot[f.Path] = theirs
		return
	}
	switch winner(f, agreed, part.of(base), mapped, theirs, s.TheirsAt.After(s.OursAt)) {
	case mapping.AuthorityRemote:
		m.Fields[f.Path] = overlay(ours, theirs)
		m.Write = true
	case mapping.AuthorityCRM:
		m.Push = m.Push || f.Push
	default:
		m.Conflicts = append(m.Conflicts, Conflict{Field: f.Path, Base: base, Ours: ours, Theirs: theirs})
		return // the base stays: the conflict is seen again until somebody settles it
	}
	m.Snapshot[f.Path] = theirs
}

// winner says whose value of a field counts, of two that differ: the CRM's, the remote's, or nobody's (ask).
func winner(f mapping.Field, agreed bool, base, ours, theirs any, theirsIsNewer bool) mapping.Authority {
	oursChanged, theirsChanged := !agreed || !equal(ours, base), !agreed || !equal(theirs, base)
	switch {
	case !f.Push && theirsChanged: // ours cannot get there
		return mapping.AuthorityRemote
	case !theirsChanged:
		return mapping.AuthorityCRM
	case !oursChanged:
		return mapping.AuthorityRemote
	case !agreed && empty(theirs):
		return mapping.AuthorityCRM
	case !agreed && empty(ours):
		return mapping.AuthorityRemote
	case f.Authority != mapping.AuthorityNewest:
		return f.Authority
	case theirsIsNewer:
		return mapping.AuthorityRemote
	}
	return mapping.AuthorityCRM
}

// overlay returns theirs with what only ours says: parts of an object, or of a list's element at the same place, that
// the mapping does not carry.
func overlay(ours, theirs any) any {
	switch t := theirs.(type) {
	case map[string]any:
		o, ok := ours.(map[string]any)
		if !ok {
			return t
		}
		merged := maps.Clone(o)
		for k, v := range t {
			merged[k] = overlay(o[k], v)
		}
		return merged
	case []any:
		o, ok := ours.([]any)
		if !ok {
			return t
		}
		merged := slices.Clone(t)
		for i := range min(len(o), len(t)) {
			merged[i] = overlay(o[i], t[i])
		}
		return merged
	}
	return theirs
}
