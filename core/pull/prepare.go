package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/journey"
	"crmhub/core/link"
	"crmhub/core/mapping"
)

// page is a page that was checked and mapped, but not stored.
type page struct {
	items    []*item // one a record
	read     int     // records, those that came twice counted twice
	cursor   json.RawMessage
	expected int64
	last     bool
	anew     bool // the list begins anew
}

// item is a record on its way to its entity.
type item struct {
	record  connector.Record
	request journey.Exchange     // that it came with, without bodies
	asked   time.Time            // by the database's clock: how it is there was asked no earlier; zero if nobody knows
	unsaved bool                 // it is only looked at
	decide  map[string]link.Side // fields about which somebody decided, whatever changed
	entity  crm.Entity           // the record as a new entity
	doc     map[string]any       // the record's fields as an entity has them, in canonical form
	agreed  *link.Merged         // the merge of the record with the entity that is made of it
	base    []byte               // its Snapshot as JSON
	err     error                // why there is no entity

	// What storing it does:
	held   bool           // it waits for a person to say which entity it is
	link   *link.Link     // what it corresponds to; nil for a new record
	erased bool           // what it corresponds to was erased at somebody's request: its data do not come back
	merged *link.Merged   // what the two sides make together
	was    map[string]any // the entity before, if it is changed
	saved  crm.Entity     // the entity with it; nil if there is none
	result result
	fault  *fault // why it is not stored
}

// result is what became of a record.
type result int

const (
	unchanged result = iota
	created
	updated
	failed
)

// prepare checks and maps the records of a page, as many at a time as there are processors. It reads only what is
// committed: a record that refers to one of the page before, being stored meanwhile, is mapped again later.
func (s *stream) prepare(ctx context.Context, got connector.Page, asked time.Time, request journey.Exchange) (*page, error) {
	p := &page{read: len(got.Records), cursor: got.Cursor, expected: got.Expected, last: !got.More, anew: got.Anew}
	latest := make(map[string]int, len(got.Records)) // a page that shifted may hold a record twice: the later one counts
	for i, r := range got.Records {
		latest[r.ID] = i
	}
	for i, r := range got.Records {
		if latest[r.ID] == i {
			p.items = append(p.items, &item{record: storable(r), asked: asked, request: request})
		}
	}
	links, err := s.referred(ctx, nil, p.items)
	if err != nil {
		return nil, err
	}
	s.mapAll(p.items, links)
	return p, nil
}

// referred reads the links of what the items refer to, in tx or, if that is nil, in a transaction of its own.
func (s *stream) referred(ctx context.Context, tx pgx.Tx, items []*item) (links, error) {
	var refs []mapping.Ref
	for _, it := range items {
		if !it.record.Deleted && it.record.Err == nil {
			refs = append(refs, s.mapping.PullRefs(it.record.Data)...)
		}
	}
	if len(refs) == 0 {
		return nil, nil
	}
	var found map[mapping.Ref]link.Link
	read := func(tx pgx.Tx) (err error) {
		if found, err = link.ByRemote(ctx, tx, s.connection.ID, distinct(refs)); err != nil {
			return err
		}
		return survivors(ctx, tx, found)
	}
	var err error
	if tx != nil {
		err = read(tx)
	} else {
		err = s.DB.As(ctx, s.who, read)
	}
	return found, err
}

func distinct(refs []mapping.Ref) []mapping.Ref {
	seen := make(map[mapping.Ref]bool, len(refs))
	var some []mapping.Ref
	for _, r := range refs {
		if !seen[r] {
			seen[r] = true
			some = append(some, r)
		}
	}
	return some
}

// links answers a mapping's questions from what was read beforehand.
type links map[mapping.Ref]link.Link

// Local returns the entity that a record is linked with.
func (l links) Local(entity, remoteID string) (string, bool) {
	found, ok := l[mapping.Ref{Entity: entity, ID: remoteID}]
	return found.EntityID.String(), ok
}

// Remote is asked by a push only.
func (links) Remote(string, string) (string, bool) { return "", false }

func (s *stream) mapAll(items []*item, l links) {
	const chunk = 64
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for start := 0; start < len(items); start += chunk {
		some := items[start:min(start+chunk, len(items))]
		g.Go(func() error {
			for _, it := range some {
				s.mapOne(it, l)
			}
			return nil
		})
	}
	_ = g.Wait() // every item carries its own error
}

// mapOne sets an item's entity and doc, or its err.
func (s *stream) mapOne(it *item, l links) {
	defer func() {
		if p := recover(); p != nil { // the fault of this record, not of its neighbours
			it.err = fmt.Errorf("the mapping panicked: %v", p)
		}
	}()
	it.err, it.entity, it.doc, it.agreed, it.base = nil, nil, nil, nil, nil
	switch {
	case it.record.ID == "":
		it.err = errors.New("the record has no id")
		return
	case it.record.Err != nil:
		it.err = &unreadable{it.record.Err}
		return
	case it.record.Deleted:
		return
	}
	it.err = s.mapData(it, l)
}

func (s *stream) mapData(it *item, l links) error {
	theirs, err := s.mapping.Pull(it.record.Data, l)
	if err != nil {
		return err
	}
	crm.DropEmptyNumber(s.kind, theirs)
	entity, err := crm.FromDocument(s.kind, theirs)
	if err != nil {
		return err
	}
	// A value is compared and remembered in the form the store will give it. Else a blank at a name's end would look
	// like a change of ours, and be pushed back.
	entity.Normalize()
	it.entity = entity
	if it.unsaved { // no more of it is looked at than the record says
		part, err := crm.Part(entity, s.pulled)
		it.doc, _ = like(theirs, part).(map[string]any)
		return err
	}
	whole, err := crm.Document(entity)
	if err != nil {
		return err
	}
	it.doc, _ = like(theirs, whole).(map[string]any)
	return s.agreeOnNew(it, whole)
}

// like returns canonical reduced to what v names.
func like(v, canonical any) any {
	switch v := v.(type) {
	case map[string]any:
		c, ok := canonical.(map[string]any)
		if !ok {
			return v
		}
		some := make(map[string]any, len(v))
		for k, part := range v {
			some[k] = like(part, c[k])
		}
		return some
	case []any:
		c, ok := canonical.([]any)
		if !ok || len(c) != len(v) {
			return v
		}
		some := make([]any, len(v))
		for i, part := range v {
			some[i] = like(part, c[i])
		}
		return some
	}
	return canonical
}
