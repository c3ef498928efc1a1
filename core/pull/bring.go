package pull

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/link"
	"crmhub/core/schema"
)

// Read reads the page of an entity's stream after a cursor, nil at first, again when the remote fails for a while. It moves no
// cursor of a pull. With accept it goes on in spite of the connector's doubts: a person has seen them.
func (p *Puller) Read(ctx context.Context, c connection.Connection, entity string, session connector.Session, cursor json.RawMessage, accept bool) (
	connector.Page, error,
) {
	s, err := p.streamOf(ctx, c, entity)
	if err != nil {
		return connector.Page{}, err
	}
	puller, ok := session.(connector.Puller)
	if !ok {
		return connector.Page{}, connector.Misconfigured(schema.Say("cannot_pull", c.Connector), "the connector "+c.Connector+" cannot pull")
	}
	page, _, err := s.fetch(ctx, puller, connector.PullRequest{Stream: s.mapping.Record(), Cursor: cursor, Limit: s.PageSize, Accept: accept}, nil)
	return page, err
}

// Translate maps records as a pull does, and stores nothing: docs are the entity's fields as far as each record names them,
// in the form the store would give them; faults say why there is none. Both correspond to the records by position. A record
// that the remote says is gone has neither.
func (p *Puller) Translate(ctx context.Context, c connection.Connection, entity string, records []connector.Record) (
	docs []map[string]any, faults []error, err error,
) {
	s, err := p.streamOf(ctx, c, entity)
	if err != nil {
		return nil, nil, err
	}
	items := make([]*item, len(records))
	for i, r := range records {
		items[i] = &item{record: r, unsaved: true}
	}
	links, err := s.referred(ctx, nil, items)
	if err != nil {
		return nil, nil, err
	}
	s.mapAll(items, links)
	docs, faults = make([]map[string]any, len(items)), make([]error, len(items))
	for i, it := range items {
		docs[i], faults[i] = it.doc, it.err
	}
	return docs, faults, nil
}

// Bring brings records in as if they came with a page, in the caller's transaction. decided says, by record id and field,
// whose value counts where somebody decided; other fields go by the ordinary merge. The faults correspond to the records by
// position: what could not be stored is a dead letter too. No record may occur twice.
func (p *Puller) Bring(ctx context.Context, tx pgx.Tx, c connection.Connection, entity string, records []connector.Record,
	decided map[string]map[string]link.Side,
) (faults []error, err error) {
	s, err := p.stream(ctx, tx, c, entity)
	if err != nil {
		return nil, err
	}
	items := make([]*item, len(records))
	for i, r := range records {
		items[i] = &item{record: storable(r), decide: decided[r.ID]}
	}
	links, err := s.referred(ctx, tx, items)
	if err != nil {
		return nil, err
	}
	s.mapAll(items, links)
	if _, err := s.apply(ctx, tx, items, nil); err != nil {
		return nil, err
	}
	faults = make([]error, len(items))
	for i, it := range items {
		switch {
		case it.fault != nil:
			faults[i] = it.fault.err
		case it.held:
			faults[i] = errHeld
		}
	}
	return faults, nil
}

// Recognize says which entities documents, as [Puller.Translate] gives them, are by the mapping's keys: those that a pull would
// take their records for. It is nil where no key names one.
func (p *Puller) Recognize(ctx context.Context, tx pgx.Tx, c connection.Connection, entity string, docs []map[string]any) ([]uuid.UUID, error) {
	s, err := p.stream(ctx, tx, c, entity)
	if err != nil {
		return nil, err
	}
	return s.recognize(ctx, tx, docs)
}
