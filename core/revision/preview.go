package revision

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/mapping"
	"crmhub/core/schema"
)

// Preview is what a mapping makes of one entity or record. Nothing is sent or stored.
type Preview struct {
	Direction   string               `json:"direction" enum:"push,pull" doc:"push makes a record of an entity, pull what it says of an entity of a record."`
	Source      map[string]any       `json:"source" doc:"What it was made of."`
	Result      map[string]any       `json:"result,omitempty" doc:"What it would become; absent if it cannot be mapped."`
	Faults      schema.Violations    `json:"faults,omitempty" doc:"Everything that keeps it from being mapped."`
	Live        map[string]any       `json:"live,omitempty" doc:"What the live mapping makes of it."`
	Differences []mapping.Difference `json:"differences,omitempty" doc:"Between what the live mapping makes and what the version makes."`
}

// ofRecord is a mapping if it is one of these records, else nil.
func ofRecord(m *mapping.Mapping, record string) *mapping.Mapping {
	if m == nil || m.Record() != record {
		return nil
	}
	return m
}

// pullRefs is what mappings look up to read a record.
func pullRefs(record map[string]any, ms ...*mapping.Mapping) []mapping.Ref {
	seen := map[mapping.Ref]bool{}
	for _, m := range ms {
		if m == nil {
			continue
		}
		for _, r := range m.PullRefs(record) {
			seen[r] = true
		}
	}
	return slices.Collect(maps.Keys(seen))
}

// Remote reads a record from a connection's system. It is asked without a transaction: the other system may think for long.
// A record that does not exist is nil.
func (s *Store) Remote(ctx context.Context, c connection.Connection, record, id string) (*connector.Record, error) {
	session, err := s.Connections.Open(c)
	if err != nil {
		return nil, connection.Unopened(err)
	}
	defer func() { _ = session.Close() }() // what was read counts
	getter, ok := session.(connector.Getter)
	if !ok {
		return nil, &connector.Error{Class: connector.ClassConfig, Message: "this system cannot read a record by its id", Said: schema.Say("not_by_id")}
	}
	return getter.Get(ctx, record, id)
}

// PreviewEntity makes the record of an entity with a text. [crm.ErrNotFound] if there is no such entity.
func (s *Store) PreviewEntity(ctx context.Context, tx pgx.Tx, c connection.Connection, in New, id uuid.UUID) (Preview, error) {
	p := Preview{Direction: "push"}
	m, err := s.Check(c, in)
	if err != nil {
		return p, err
	}
	live, err := s.live(ctx, tx, c, in.Entity)
	if err != nil {
		return p, err
	}
	docs, err := s.documents(ctx, tx, crm.Kind(in.Entity), []uuid.UUID{id})
	if err != nil {
		return p, err
	}
	if p.Source = docs[id]; p.Source == nil {
		return p, fmt.Errorf("%s %s: %w", in.Entity, id, crm.ErrNotFound)
	}
	known, err := pushLinks(ctx, tx, c, docs, m, live)
	if err != nil {
		return p, err
	}
	return p.with(push(live, p.Source, known), push(m, p.Source, known)), nil
}

// PreviewRecord makes what a record says of an entity with a text.
func (s *Store) PreviewRecord(ctx context.Context, tx pgx.Tx, c connection.Connection, in New, record map[string]any) (Preview, error) {
	p := Preview{Direction: "pull", Source: record}
	m, err := s.Check(c, in)
	if err != nil {
		return p, err
	}
	live, err := s.live(ctx, tx, c, in.Entity)
	if err != nil {
		return p, err
	}
	live = ofRecord(live, m.Record())
	known, err := pullLinks(ctx, tx, c, pullRefs(record, m, live))
	if err != nil {
		return p, err
	}
	return p.with(pull(live, record, known), pull(m, record, known)), nil
}

func (p Preview) with(live, now made) Preview {
	p.Result, p.Faults = now.doc, now.faults
	if len(live.faults) == 0 {
		p.Live = live.doc
	}
	if len(p.Faults) == 0 && p.Live != nil {
		p.Differences = mapping.Differences(p.Live, p.Result)
	}
	return p
}
