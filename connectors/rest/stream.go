package rest

import (
	"net/http"
	"time"

	"crmhub/core/connector"
)

// stream is one record's compiled section.
type stream struct {
	entity, record string
	capabilities   connector.Capabilities
	fields         []any
	id             pointer
	version        *pointer
	updated        []pointer // the newest of them counts
	format         string
	deleted        *match
	related        []relation
	keep           []keeping
	set            []parameter // what records have that the remote does not tell
	pull           *pullPlan
	get, find      *readPlan
	create         *writePlan
	update         *writePlan
	remove         *writePlan
	before, then   []step
}

type readPlan struct {
	call    *call
	at      pointer
	several bool // it is asked by ids, and answers a list
	missing bool // an answer without the list is an empty one
	columns columns
}

type pullPlan struct {
	call    *call
	records pointer
	missing bool // an answer without the list is an empty one
	columns columns
	total   *pointer
	overlap *time.Duration
	whole   bool // the list tells a part only: get tells the rest
	page    pagePlan
	changes *changesPlan
}

// changesPlan is a list of what changed, where the remote has one of its own.
type changesPlan struct {
	list  pullPlan
	reach time.Duration // how far back it goes; 0: without end
	most  int           // so many records mean that there are more, which it does not tell; 0: it tells all
}

type writePlan struct {
	call     *call
	when     *when
	id       source
	record   *pointer
	locate   *call
	locateID pointer
	readBack bool
	header   string // of the idempotency key
	batch    int
	item     template
	results  pointer
	atomic   bool
}

type when struct {
	data, record []condition
	differs      []pointer // at any of them the data wants something else than the record has
}

func (c *compiler) stream(at *placed[streamManifest], l limits) *stream {
	c = c.with("fields")
	m := &at.Value
	s := &stream{
		entity: m.Entity, record: m.Record, id: c.pointer(m.ID), format: m.Format,
		version: c.maybe(m.Version), set: c.parameters(&m.Set),
	}
	for _, at := range m.Updated {
		s.updated = append(s.updated, c.pointer(at))
	}
	for _, f := range m.Fields {
		s.fields = append(s.fields, f)
	}
	if m.Deleted != nil {
		made := c.match(m.Deleted.Value, m.Deleted.Line)
		s.deleted = &made
	}
	for _, k := range m.Keep {
		s.keep = append(s.keep, keeping{c.pointer(k.Value.List), c.condition(k.Value.conditionManifest, k.Line)})
	}
	for _, r := range m.Related {
		s.related = append(s.related, relation{
			at: c.pointer(r.At), call: c.with("ids").reads(r.callManifest), records: c.pointer(r.Records), id: c.pointer(r.ID),
		})
	}
	if m.Pull != nil {
		s.pull = c.pull(m.Pull)
		if s.pull.changes != nil && s.pull.overlap == nil {
			c.faults.add(at.Line, "changes need overlap: without it nothing is read by what changed")
		}
		if s.pull.overlap != nil && s.updated == nil {
			c.faults.add(at.Line, "a stream with overlap needs updated: where a record says when it changed")
		}
	}
	if m.Get != nil {
		s.get = c.get(m.Get)
	}
	if m.Find != nil {
		s.find = &readPlan{
			call: c.with("reference").reads(m.Find.callManifest), at: c.pointer(m.Find.Records), missing: m.Find.Missing,
			columns: columns{m.Find.Columns, m.Find.Gather},
		}
	}
	written := c.with("data", "remote_version", "reference")
	s.create = written.write(m.Create, m)
	existing := written.with("id", "record")
	s.update = existing.write(m.Update, m)
	s.remove = existing.write(m.Delete, m)
	s.before, s.then = existing.steps(m.Before), existing.steps(m.Then)
	if s.get == nil && s.pull != nil && s.pull.whole {
		c.faults.add(at.Line, "whole needs get: how the whole record is read")
	}
	if s.get == nil && (len(s.before) > 0 || len(s.then) > 0 || s.readsBack()) {
		c.faults.add(at.Line, "before, then, when and read_back need get: how the record is now")
	}
	s.capabilities = s.describe(m, l)
	return s
}

func (c *compiler) get(m *readManifest) *readPlan {
	if m.Records.Set {
		return &readPlan{
			call: c.with("ids").reads(m.callManifest), at: c.pointer(m.Records), several: true, columns: columns{m.Columns, m.Gather},
		}
	}
	return &readPlan{call: c.with("id").reads(m.callManifest), at: c.pointer(m.Record), columns: columns{m.Columns, m.Gather}}
}

func (s *stream) readsBack() bool {
	for _, w := range []*writePlan{s.create, s.update} {
		if w != nil && (w.readBack || w.when != nil) {
			return true
		}
	}
	return false
}

func (s *stream) describe(m *streamManifest, l limits) connector.Capabilities {
	d := connector.Capabilities{
		Pull: s.pull != nil, Incremental: s.pull != nil && s.pull.overlap != nil, Range: s.pull != nil && s.pull.overlap != nil,
		Push: s.create != nil || s.update != nil, Find: s.find != nil, Get: s.get != nil, Delete: s.remove != nil,
		Idempotent: s.create != nil && m.Create.Value.Idempotency != "",
		Steps:      s.create != nil && len(s.then) > 0,
		FindFirst:  m.Push.FindFirst, Settle: m.Push.Settle,
	}
	if d.Push {
		d.Batch = orDefault(m.Push.Batch, 1)
		if s.create != nil {
			d.Batch = max(d.Batch, s.create.batch)
		}
		d.Concurrency = orDefault(m.Push.Concurrency, l.concurrency)
	}
	return d
}

func (c *compiler) maybe(l located) *pointer {
	if !l.Set {
		return nil
	}
	p := c.pointer(l)
	return &p
}

func (c *compiler) pull(m *pullManifest) *pullPlan {
	c = c.with("limit", "since", "until", "page", "offset", "after", "cursor")
	p := &pullPlan{
		call: c.reads(m.callManifest), records: c.pointer(m.Records), missing: m.Missing, columns: columns{names: m.Columns},
		total: c.maybe(m.Total), overlap: m.Overlap, whole: m.Whole, page: c.page(m.Page),
	}
	if m.Changes != nil {
		p.changes = &changesPlan{reach: m.Changes.Reach, most: m.Changes.Most, list: pullPlan{
			call: c.reads(m.Changes.callManifest), records: c.pointer(m.Changes.Records), missing: m.Changes.Missing,
			overlap: m.Overlap, whole: m.Whole, page: pagePlan{by: "none"},
		}}
	}
	return p
}

func (c *compiler) write(at *placed[writeManifest], s *streamManifest) *writePlan {
	if at == nil {
		return nil
	}
	m := &at.Value
	callScope := c
	if m.Batch > 0 {
		callScope = c.with("items")
	}
	w := &writePlan{
		call: callScope.call(m.callManifest), record: c.maybe(m.Record), readBack: m.ReadBack,
		batch: m.Batch, results: c.pointer(m.Results), atomic: m.Atomic, when: c.when(m.When),
	}
	if !m.ID.Set {
		m.ID = s.ID
	}
	w.id = c.source(m.ID)
	if m.Locate != nil {
		w.locate = c.with("answer").reads(m.Locate.callManifest)
		w.locateID = c.pointer(m.Locate.ID)
	}
	if m.Idempotency != "" {
		w.call.repeatable = true
		if m.Idempotency != "natural" {
			w.header = http.CanonicalHeaderKey(m.Idempotency)
		}
	}
	if (m.Batch > 0) != (m.Item.Kind != 0) {
		c.faults.add(at.Line, "batch and item go together")
	} else if m.Batch > 0 {
		w.item = c.value(&m.Item)
	}
	return w
}

func (c *compiler) when(m *whenManifest) *when {
	if m == nil {
		return nil
	}
	w := &when{}
	for _, at := range m.Differs {
		w.differs = append(w.differs, c.pointer(at))
	}
	for _, cond := range m.Data {
		w.data = append(w.data, c.condition(cond.Value, cond.Line))
	}
	for _, cond := range m.Record {
		w.record = append(w.record, c.condition(cond.Value, cond.Line))
	}
	return w
}

// step is a call before or after a write, or the refusal of it.
type step struct {
	name   string
	on     []string
	when   *when
	refuse string
	call   *call

	together bool // the call takes several records
}

func (c *compiler) steps(list []stepManifest) []step {
	steps := make([]step, 0, len(list))
	for _, m := range list {
		s := step{name: m.Name, on: m.On, when: c.when(m.When), refuse: m.Refuse, together: m.Together}
		at := c
		if m.Together {
			at = c.with("ids")
		}
		if m.Refuse == "" {
			s.call = at.call(m.callManifest)
		}
		steps = append(steps, s)
	}
	return steps
}
