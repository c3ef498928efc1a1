package push

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/journey"
	"crmhub/core/link"
	"crmhub/core/mapping"
)

// item is a version of an entity on its way.
type item struct {
	id      uuid.UUID
	version int64
	deleted bool
	data    json.RawMessage // the entity as a change brought it
	stored  bool            // or it is to be read from the store
	doc     map[string]any  // the entity
	held    map[string]any  // fields about which a person has to decide, with what the remote says of them

	record    map[string]any // what is to be sent
	canonical []byte         // it as JSON, names sorted
	digest    []byte         // of it
	snapshot  []byte         // the fields that it carries
	reference string
	fault     error // why there is no record
	proposed  bool  // a matching asks whether a record that is there already is it

	link          link.Announced
	remoteID      string // as linked, or found by the reference
	remoteVersion string
	lookedUp      bool // it is known whether an earlier create made a record

	op        connector.Op       // what was sent; "" if nothing was
	exchanges []journey.Exchange // what was said to the remote
	outcome   *link.Outcome
	result    string // for the metric
	letter    *job.DeadLetter
	waitsOn   mapping.Ref
}

// step is a point between two effects, where tests let the process die.
type step string

const (
	stepMapped       step = "mapped"
	stepAnnounced    step = "announced"
	stepLookedUp     step = "looked up"
	stepSent         step = "sent"
	stepAcknowledged step = "acknowledged"
)

func (p *Pusher) at(s step) error {
	if p.step == nil {
		return nil
	}
	return p.step(s)
}

// entities is what all feeds end in: it brings versions of entities of one stream, each at most once, to the remote.
// It returns how many links it claimed or settled; the others are synced, or due later. Only the database's failing
// is an error; the claims that are left then end with the worker.
func (p *Pusher) entities(ctx context.Context, s *stream, items []*item) (int, error) {
	items, links, err := p.read(ctx, s, items)
	if err != nil || len(items) == 0 {
		return 0, p.orEnd(ctx, err)
	}
	inParallel(items, func(it *item) { it.translate(s.Mapping, links) })
	if err := p.at(stepMapped); err != nil {
		return 0, err
	}
	announced := time.Now()
	claimed, settled, err := p.announce(ctx, s, items)
	if err != nil {
		return 0, p.orEnd(ctx, err)
	}
	if err := p.at(stepAnnounced); err != nil {
		return 0, err
	}
	if err := p.send(ctx, s, claimed, announced); err != nil {
		return 0, err
	}
	if err := p.acknowledge(ctx, s, claimed); err != nil {
		return 0, err
	}
	return len(claimed) + settled, p.at(stepAcknowledged)
}

// read drops what is synced or overtaken, reads the documents of the rest, and the links their mappings need.
func (p *Pusher) read(ctx context.Context, s *stream, items []*item) (rest []*item, links records, err error) {
	refs := make([]mapping.Ref, len(items))
	for i, it := range items {
		refs[i] = it.ref(s)
	}
	var b pgx.Batch
	known := link.QueueByEntity(&b, p.Connection, refs)
	ids := make([]uuid.UUID, len(items))
	for i, it := range items {
		ids[i] = it.id
	}
	held := link.QueueHeld(&b, p.Connection, s.Entity, ids)
	proposed := link.QueueProposed(&b, p.Connection, s.Entity, ids)
	if err := p.DB.Ask(ctx, p.Principal, &b); err != nil {
		return nil, nil, fmt.Errorf("links by entity: %w", err)
	}
	for _, it := range items {
		l, ok := known[it.ref(s)]
		synced := ok && l.State == link.Linked && it.version <= l.SyncedVersion && l.NextAttemptAt == nil
		overtaken := ok && !it.stored && it.version < l.WantedVersion
		if !synced && !overtaken {
			it.held, it.proposed = held[it.id], proposed[it.id]
			rest = append(rest, it)
		}
	}
	if err := p.documents(ctx, s, rest); err != nil {
		return nil, nil, err
	}
	inParallel(rest, (*item).decode)
	links, err = p.links(ctx, s, rest)
	return rest, links, err
}

// documents reads those entities from the store whose version no change brought along.
func (p *Pusher) documents(ctx context.Context, s *stream, items []*item) error {
	var ids []uuid.UUID
	for _, it := range items {
		if it.stored {
			ids = append(ids, it.id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var b pgx.Batch
	found := p.CRM.QueueGet(&b, crm.Kind(s.Entity), ids)
	if err := p.DB.Ask(ctx, p.Principal, &b); err != nil {
		return fmt.Errorf("get %d of %s: %w", len(ids), s.Entity, err)
	}
	for _, it := range items {
		if it.stored {
			it.take(found[it.id])
		}
	}
	return nil
}

// take makes the stored entity the item's. It is at least as new as what was wanted, unless the wish was not the store's.
func (it *item) take(e crm.Entity) {
	if e == nil {
		it.fault = fmt.Errorf("the store does not know this entity")
		return
	}
	doc, err := crm.Document(e)
	if err != nil {
		it.fault = err
		return
	}
	it.doc, it.deleted = doc, doc["deleted_at"] != nil
	version, err := doc["version"].(json.Number).Int64()
	if err != nil || version < it.version {
		it.fault = fmt.Errorf("version %d is wanted, and the store has %d", it.version, version)
		return
	}
	it.version = version
}

func (it *item) ref(s *stream) mapping.Ref { return mapping.Ref{Entity: s.Entity, ID: it.id.String()} }

func (it *item) decode() {
	if it.stored || it.deleted {
		return
	}
	dec := json.NewDecoder(bytes.NewReader(it.data))
	dec.UseNumber()
	if err := dec.Decode(&it.doc); err != nil {
		it.fault = fmt.Errorf("the change's data: %w", err)
	}
}

// records are remote ids by entity: the links of a batch.
type records map[mapping.Ref]string

// Remote returns the id of an entity's record.
func (r records) Remote(entity, id string) (string, bool) {
	remote := r[mapping.Ref{Entity: entity, ID: id}]
	return remote, remote != ""
}

// Local finds nothing: a push asks in one direction only.
func (r records) Local(string, string) (string, bool) { return "", false }

func (p *Pusher) links(ctx context.Context, s *stream, items []*item) (records, error) {
	var refs []mapping.Ref
	seen := make(map[mapping.Ref]bool)
	for _, it := range items {
		if it.doc == nil || it.deleted {
			continue
		}
		for _, r := range s.Mapping.PushRefs(it.sendable()) {
			if !seen[r] {
				seen[r] = true
				refs = append(refs, r)
			}
		}
	}
	if len(refs) == 0 {
		return nil, nil
	}
	var b pgx.Batch
	found := link.QueueByEntity(&b, p.Connection, refs)
	if b.Len() > 0 {
		if err := p.DB.Ask(ctx, p.Principal, &b); err != nil {
			return nil, fmt.Errorf("links by entity: %w", err)
		}
	}
	remote := make(records, len(found))
	for r, l := range found {
		remote[r] = l.RemoteID
	}
	return remote, nil
}

// translate makes the record, or says why not.
func (it *item) translate(m Mapping, links mapping.Links) {
	it.reference = it.id.String()
	if it.fault != nil || it.deleted {
		return
	}
	if field := m.Reference(); field != "" {
		if text, ok := it.doc[field].(string); ok && text != "" {
			it.reference = text
		}
	}
	if it.record, it.fault = m.Push(it.sendable(), links); it.fault != nil {
		return
	}
	var err error
	if it.canonical, err = json.Marshal(it.record); err != nil {
		it.fault = fmt.Errorf("encode record: %w", err)
		return
	}
	sum := sha256.Sum256(it.canonical)
	it.digest = sum[:]
	sent := make(map[string]any)
	for _, f := range m.Fields() {
		if _, held := it.held[f.Path]; f.Push && !held { // what is held stays agreed as it was, so that the conflict is seen again
			sent[f.Path] = it.doc[f.Path] // null says that it is empty
		}
	}
	if it.snapshot, err = json.Marshal(sent); err != nil {
		it.fault = fmt.Errorf("encode snapshot: %w", err)
	}
}

// sendable is the entity as the remote may have it: of fields in conflict it keeps its own value.
func (it *item) sendable() map[string]any {
	if len(it.held) == 0 {
		return it.doc
	}
	doc := maps.Clone(it.doc)
	maps.Copy(doc, it.held)
	return doc
}

// announce claims the links of items, and returns the items whose links it got. settled counts those whose record
// the remote has already.
func (p *Pusher) announce(ctx context.Context, s *stream, items []*item) (claimed []*item, settled int, err error) {
	intents := make([]link.Intent, len(items))
	for i, it := range items {
		intents[i] = link.Intent{EntityID: it.id, Version: it.version, Reference: it.reference, Digest: it.digest}
	}
	by := link.Claimant{Connection: p.Connection, Entity: s.Entity, Worker: p.worker, Grace: s.grace}
	var announced map[uuid.UUID]link.Announced
	err = repeat(ctx, func() (err error) {
		var b pgx.Batch
		if announced, err = link.Announce(&b, by, intents); err != nil {
			return err
		}
		// Not broken off by the pusher's end: whoever claims has to know what he claimed, to give it back.
		whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		return p.DB.Ask(whole, p.Principal, &b)
	})
	if err != nil {
		return nil, 0, err
	}
	for _, it := range items {
		it.link = announced[it.id]
		it.remoteID, it.remoteVersion = it.link.RemoteID, it.link.RemoteVersion
		switch it.link.Verdict {
		case link.Claimed:
			claimed = append(claimed, it)
		case link.Unchanged:
			settled++
		case link.Synced, link.Busy:
		}
	}
	p.Metrics.records.WithLabelValues(p.Code, s.Entity, "unchanged").Add(float64(settled))
	return claimed, settled, nil
}

// acknowledge records what became of all claimed items. It does not heed ctx's end, only its own patience: what was
// done at the remote must be told.
func (p *Pusher) acknowledge(ctx context.Context, s *stream, items []*item) error {
	if len(items) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	var done link.Acknowledged
	err := p.retry(ctx, func(tx pgx.Tx) error {
		if err := p.parentsOf(ctx, tx, items); err != nil {
			return err
		}
		outcomes := make([]link.Outcome, len(items))
		var letters []job.DeadLetter
		var mended []string
		for i, it := range items {
			outcomes[i] = *it.outcome
			if it.letter != nil {
				letters = append(letters, *it.letter)
			} else if it.result == "linked" && it.link.Attempts > 0 {
				mended = append(mended, it.id.String())
			}
		}
		with, err := p.events(s, items)
		if err != nil {
			return err
		}
		if done, err = link.Acknowledge(ctx, tx, p.worker, outcomes, with); err != nil {
			return err
		}
		if err := job.Bury(ctx, tx, letters); err != nil {
			return err
		}
		return job.Resolve(ctx, tx, job.Things{ConnectionID: p.Connection, Direction: job.Push, Entity: s.Entity, IDs: mended})
	})
	if err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	for _, it := range items {
		p.Metrics.records.WithLabelValues(p.Code, s.Entity, it.result).Inc()
	}
	if len(done.Collision) > 0 {
		p.Logger.WarnContext(ctx, "records are linked with other entities already", "entity", s.Entity, "links", done.Collision)
	}
	if done.Due > 0 || done.Released > 0 {
		p.wakeUp()
	}
	return nil
}

// parentsOf sees to it that what items wait on is wanted, and lets those go on at once whose parent is there by now.
func (p *Pusher) parentsOf(ctx context.Context, tx pgx.Tx, items []*item) error {
	waiting := make(map[string][]uuid.UUID)
	for _, it := range items {
		if it.waitsOn.Entity == "" {
			continue
		}
		id, err := uuid.Parse(it.waitsOn.ID)
		if err != nil {
			return fmt.Errorf("%s %s waits on: %w", it.waitsOn.Entity, it.waitsOn.ID, err)
		}
		if !slices.Contains(waiting[it.waitsOn.Entity], id) {
			waiting[it.waitsOn.Entity] = append(waiting[it.waitsOn.Entity], id)
		}
	}
	for entity, ids := range waiting {
		ready, err := link.WantParents(ctx, tx, p.Connection, entity, ids)
		if err != nil {
			return err
		}
		for _, it := range items {
			if it.waitsOn.Entity == entity && ready[uuid.MustParse(it.waitsOn.ID)] {
				o := link.Release(it.link, 0, nil)
				it.outcome = &o
			}
		}
		p.wakeUp()
	}
	return nil
}

// retry repeats a transaction that the database refused for a moment.
func (p *Pusher) retry(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return repeat(ctx, func() error { return p.as(ctx, fn) })
}

// repeat repeats what the database refused for a moment: a deadlock, a race for a unique key, or a broken connection.
func repeat(ctx context.Context, fn func() error) error {
	for attempt := 1; ; attempt++ {
		err := fn()
		if err == nil || attempt == 5 || !sleep(ctx, time.Duration(attempt*attempt)*20*time.Millisecond) {
			return err
		}
	}
}

// inParallel calls fn for each item, on all processors.
func inParallel(items []*item, fn func(*item)) {
	n := min(runtime.GOMAXPROCS(0), len(items))
	var wg sync.WaitGroup
	for i := range n {
		part := items[i*len(items)/n : (i+1)*len(items)/n]
		wg.Go(func() {
			for _, it := range part {
				fn(it)
			}
		})
	}
	wg.Wait()
}
