package revision

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// MostChecked is over how many records the effect of a version is tried before it goes live.
const MostChecked = 1000

// mostShown is how many changed records an effect lists.
const mostShown = 100

// Effect is what a version would make of the newest linked entities of its connection, or of the first of the other system's records,
// compared with what is live. Nothing is sent or stored.
type Effect struct {
	Checked   int            `json:"checked" doc:"What was tried: the newest entities that are linked or, of a pull, the records that one from the beginning reads first."`
	Changed   int            `json:"changed" doc:"Those of which something else would be made."`
	Unchanged int            `json:"unchanged" doc:"Those of which the same would be made."`
	Faulty    int            `json:"faulty" doc:"Those that cannot be mapped with the version."`
	Worse     int            `json:"worse" doc:"Those of them that can be with what is live: they keep the version from being published."`
	Mended    int            `json:"mended" doc:"Those that can be mapped with the version, and cannot with what is live."`
	Fields    map[string]int `json:"fields" nullable:"false" doc:"The top-level fields that would change of what is made, and in how many."`
	Items     []Affected     `json:"items" nullable:"false" doc:"The first hundred that would change, those that get worse first."`
}

// Affected is an entity whose record would be another, or a record that would say something else of its entity.
type Affected struct {
	EntityID    uuid.UUID            `json:"entity_id,omitzero" doc:"Left out for a record that is not linked."`
	RemoteID    string               `json:"remote_id,omitempty" doc:"The record."`
	Differences []mapping.Difference `json:"differences,omitempty" doc:"Between what the live mapping makes and what the version makes."`
	Before      schema.Violations    `json:"faults_before,omitempty" doc:"What keeps it from being mapped with what is live."`
	After       schema.Violations    `json:"faults,omitempty" doc:"What keeps it from being mapped with the version."`
}

const newestLinks = `
select l.entity_id, coalesce(l.remote_id, '') from links l where l.connection_id = $1 and l.entity = $2 and l.state = 'linked' order by l.id desc limit $3`

// Linked is an entity and the record that it is linked with.
type Linked struct {
	EntityID uuid.UUID
	RemoteID string
}

// Newest returns the newest linked entities of a connection.
func (s *Store) Newest(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, limit int) ([]Linked, error) {
	return postgres.All(ctx, tx, "read the newest links", pgx.RowToStructByPos[Linked], newestLinks, connection, entity, limit)
}

// Effect tries a version on the newest linked entities, at most [MostChecked].
func (s *Store) Effect(ctx context.Context, tx pgx.Tx, v Version) (Effect, error) {
	e := Effect{Fields: map[string]int{}, Items: []Affected{}}
	c, draft, live, err := s.compared(ctx, tx, v)
	if err != nil {
		return e, err
	}
	newest, err := s.Newest(ctx, tx, c.ID, v.Entity, MostChecked)
	if err != nil {
		return e, err
	}
	ids := make([]uuid.UUID, len(newest))
	for i, l := range newest {
		ids[i] = l.EntityID
	}
	docs, err := s.documents(ctx, tx, crm.Kind(v.Entity), ids)
	if err != nil {
		return e, err
	}
	known, err := pushLinks(ctx, tx, c, docs, draft, live)
	if err != nil {
		return e, err
	}
	for _, l := range newest {
		if doc := docs[l.EntityID]; doc != nil {
			e.add(l.EntityID, l.RemoteID, push(live, doc, known), push(draft, doc, known))
		}
	}
	e.cut()
	return e, nil
}

// compared is what a version is compared with on its connection.
func (s *Store) compared(ctx context.Context, tx pgx.Tx, v Version) (c connection.Connection, draft, live *mapping.Mapping, err error) {
	if c, err = s.Connections.Get(ctx, tx, v.ConnectionID); err != nil {
		return c, nil, nil, err
	}
	if draft, err = s.Compiled(c, v); err != nil {
		return c, nil, nil, err
	}
	live, err = s.live(ctx, tx, c, v.Entity)
	return c, draft, live, err
}

// live is Live, but that a live version that cannot be compiled any more is none.
func (s *Store) live(ctx context.Context, tx pgx.Tx, c connection.Connection, entity string) (*mapping.Mapping, error) {
	m, _, err := s.Live(ctx, tx, c, entity)
	if Misfit(err) {
		return nil, nil //nolint:nilnil // as said above
	}
	return m, err
}

// Misfit reports whether err says that a version does not fit this hub, perhaps not any more: it cannot be compiled.
func Misfit(err error) bool {
	_, ok := errors.AsType[mapping.Faults](err)
	return ok
}

// cut keeps the items that are shown.
func (e *Effect) cut() {
	slices.SortStableFunc(e.Items, func(a, b Affected) int { return b.rank() - a.rank() })
	e.Items = e.Items[:min(len(e.Items), mostShown)]
}

func (a Affected) rank() int {
	if len(a.After) > 0 && len(a.Before) == 0 {
		return 1
	}
	return 0
}

// made is what a mapping makes of a document, or why it makes nothing.
type made struct {
	doc    map[string]any
	faults schema.Violations
}

func (e *Effect) add(id uuid.UUID, remote string, before, after made) {
	e.Checked++
	a := Affected{EntityID: id, RemoteID: remote, Before: before.faults, After: after.faults}
	switch {
	case len(after.faults) > 0:
		e.Faulty++
		if len(before.faults) > 0 {
			return
		}
		e.Worse++
	case len(before.faults) > 0:
		e.Mended++
	default:
		if a.Differences = mapping.Differences(before.doc, after.doc); len(a.Differences) == 0 {
			e.Unchanged++
			return
		}
		e.Changed++
		fields := map[string]bool{}
		for _, d := range a.Differences {
			field, _, _ := strings.Cut(strings.TrimPrefix(d.Pointer, "/"), "/")
			fields[field] = true
		}
		for field := range maps.Keys(fields) {
			e.Fields[field]++
		}
	}
	e.Items = append(e.Items, a)
}

// documents are entities that are not deleted, as mappings take them.
func (s *Store) documents(ctx context.Context, tx pgx.Tx, k crm.Kind, ids []uuid.UUID) (map[uuid.UUID]map[string]any, error) {
	found, err := s.CRM.Get(ctx, tx, k, ids)
	if err != nil {
		return nil, err
	}
	docs := make(map[uuid.UUID]map[string]any, len(found))
	for id, e := range found {
		if crm.HeadOf(e).DeletedAt != nil {
			continue
		}
		if docs[id], err = crm.Document(e); err != nil {
			return nil, err
		}
	}
	return docs, nil
}

// crosswalk answers a mapping's questions from what was read beforehand.
type crosswalk struct{ remote, local map[mapping.Ref]string }

// Remote returns the id of an entity's record.
func (c crosswalk) Remote(entity, id string) (string, bool) {
	found := c.remote[mapping.Ref{Entity: entity, ID: id}]
	return found, found != ""
}

// Local returns the id of a record's entity.
func (c crosswalk) Local(entity, id string) (string, bool) {
	found := c.local[mapping.Ref{Entity: entity, ID: id}]
	return found, found != ""
}

func pushLinks(ctx context.Context, tx pgx.Tx, c connection.Connection, docs map[uuid.UUID]map[string]any, ms ...*mapping.Mapping) (crosswalk, error) {
	seen := map[mapping.Ref]bool{}
	for _, doc := range docs {
		for _, m := range ms {
			if m == nil {
				continue
			}
			for _, r := range m.PushRefs(doc) {
				seen[r] = true
			}
		}
	}
	known := crosswalk{remote: map[mapping.Ref]string{}}
	found, err := link.ByEntity(ctx, tx, c.ID, slices.Collect(maps.Keys(seen)))
	for r, l := range found {
		known.remote[r] = l.RemoteID
	}
	return known, err
}

func pullLinks(ctx context.Context, tx pgx.Tx, c connection.Connection, refs []mapping.Ref) (crosswalk, error) {
	known := crosswalk{local: map[mapping.Ref]string{}}
	found, err := link.ByRemote(ctx, tx, c.ID, refs)
	for r, l := range found {
		known.local[r] = l.EntityID.String()
	}
	return known, err
}

func push(m *mapping.Mapping, doc map[string]any, known crosswalk) made {
	if m == nil {
		return unmapped()
	}
	record, err := m.Push(doc, known)
	return made{record, faultsOf(err)}
}

func unmapped() made {
	return made{faults: schema.Violations{{Rule: "mapping", Message: "there is no mapping"}}}
}

func pull(m *mapping.Mapping, record map[string]any, known crosswalk) made {
	if m == nil {
		return unmapped()
	}
	doc, err := m.Pull(record, known)
	return made{doc, faultsOf(err)}
}

// judged is what was made of a record, with what an entity's own rules have against it: a new one's, or of what is there with what
// the record says of it.
func (m made) judged(k crm.Kind, there map[string]any) made {
	if len(m.faults) > 0 {
		return m
	}
	crm.DropEmptyNumber(k, m.doc)
	whole := maps.Clone(m.doc)
	for field, v := range there {
		if _, said := whole[field]; !said {
			whole[field] = v
		}
	}
	e, err := crm.FromDocument(k, whole)
	if err != nil {
		m.faults = faultsOf(err)
		return m
	}
	e.Normalize()
	m.faults = e.Validate()
	return m
}

// faultsOf is what a mapping has against a document.
func faultsOf(err error) schema.Violations {
	var vs schema.Violations
	var missing *mapping.MissingLink
	switch {
	case err == nil:
		return nil
	case errors.As(err, &vs):
		return vs
	case errors.As(err, &missing):
		for _, r := range missing.Refs {
			vs = append(vs, schema.Violation{Rule: "link", Message: "it refers to a " + r.Entity + " that is not linked on this connection"})
		}
		return vs
	}
	return schema.Violations{{Rule: "mapping", Message: err.Error()}}
}
