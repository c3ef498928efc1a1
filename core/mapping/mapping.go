package mapping

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"crmhub/core/schema"
)

// Authority says who is right when both sides changed a field.
type Authority string

// The authorities.
const (
	AuthorityCRM    Authority = "crm"
	AuthorityRemote Authority = "remote"
	AuthorityNewest Authority = "newest" // whoever changed it last
	AuthorityAsk    Authority = "ask"    // a person
)

// Field is a property of the entity that a mapping touches: the unit of merging.
type Field struct {
	Path      string // top-level property: "name", "lines"
	Push      bool   // it reaches the record
	Pull      bool   // it is taken from the record
	Authority Authority
}

// Ref names an entity by its id, or a record by its remote id.
type Ref struct {
	Entity string
	ID     string
}

// Links translates ids between both sides.
type Links interface {
	// Remote gives the remote id of an entity's record.
	Remote(entity, entityID string) (string, bool)
	// Local gives the id of a record's entity.
	Local(entity, remoteID string) (string, bool)
}

// MissingLink is the error of a mapping that needs links which do not exist yet.
type MissingLink struct {
	Refs []Ref // entity ids for a push, remote ids for a pull
}

func (e *MissingLink) Error() string {
	parts := make([]string, len(e.Refs))
	for i, r := range e.Refs {
		parts[i] = r.Entity + " " + r.ID
	}
	return "not linked yet: " + strings.Join(parts, ", ")
}

// SayingOf says why a mapping could not make something, in a form that catalogues have words for; nil where the text is another's.
func SayingOf(err error) *schema.Saying {
	var vs schema.Violations
	var missing *MissingLink
	switch {
	case errors.As(err, &missing) && len(missing.Refs) == 1:
		return schema.Say("not_linked", missing.Refs[0].Entity, missing.Refs[0].ID)
	case errors.As(err, &missing):
		return schema.Say("not_linked_all", missing.Refs[0].Entity, missing.Refs[0].ID, len(missing.Refs)-1)
	case errors.As(err, &vs):
		return vs.Saying()
	}
	return nil
}

// Mapping is a compiled mapping file. It is safe for concurrent use.
type Mapping struct {
	connector string
	entity    string
	record    string
	reference string
	match     []string
	version   string
	text      []byte
	rules     []rule
	fields    []Field
	places    []readPlace    // of the record, that a pull reads
	raw       *schema.Schema // of a record as the remote gives it
	written   *schema.Schema // of a record as it is sent: what only the remote sets is not required
	source    *schema.Schema // of the entity
}

// Connector is the name of the other system's connector.
func (m *Mapping) Connector() string { return m.connector }

// Entity is the name of what is ours.
func (m *Mapping) Entity() string { return m.entity }

// Record is the name of what is theirs.
func (m *Mapping) Record() string { return m.record }

// Reference is the entity's field that travels as client reference, "" if none does.
func (m *Mapping) Reference() string { return m.reference }

// Match are the entity's fields by which a record without a link finds its entity, in the order they are tried. It must not be
// changed.
func (m *Mapping) Match() []string { return m.match }

// Version identifies the file's content.
func (m *Mapping) Version() string { return m.version }

// Text is the file's content. It must not be changed.
func (m *Mapping) Text() []byte { return m.text }

// Fields are the properties of the entity that the mapping touches, in the order of the file, then those that only
// expressions read. They must not be changed.
func (m *Mapping) Fields() []Field { return m.fields }

// Set holds the mappings of a folder.
type Set struct {
	byName map[string]*Mapping
}

// Load reads <connector>/<entity>.yaml files and checks them against the schemas. The error is [Faults] when files are wrong.
func Load(files fs.FS, schemas *schema.Set) (*Set, error) {
	names, err := fs.Glob(files, "*/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("mappings: %w", err)
	}
	set := &Set{byName: make(map[string]*Mapping, len(names))}
	var faults Faults
	for _, name := range names {
		source, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("mappings: %w", err)
		}
		m, err := Compile(name, source, schemas)
		if found, ok := errors.AsType[Faults](err); ok {
			faults = append(faults, found...)
			continue
		}
		if err != nil {
			return nil, err
		}
		set.byName[m.connector+"/"+m.entity] = m
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return set, nil
}

// For returns the mapping of an entity on a connector.
func (s *Set) For(connector, entity string) (*Mapping, bool) {
	m, ok := s.byName[connector+"/"+entity]
	return m, ok
}

// All are the mappings, by connector and entity.
func (s *Set) All() []*Mapping {
	all := make([]*Mapping, 0, len(s.byName))
	for _, m := range s.byName {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *Mapping) int {
		return strings.Compare(path.Join(a.connector, a.entity), path.Join(b.connector, b.entity))
	})
	return all
}

// Fault is something wrong in a mapping file.
type Fault struct {
	File    string
	Line    int
	Column  int
	Message string
	Said    *schema.Saying // the message
}

func (f Fault) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Message)
}

// Faults are all that is wrong.
type Faults []Fault

func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}
