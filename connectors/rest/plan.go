package rest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/time/rate"

	"crmhub/core/connector"
)

// plan is a compiled manifest. It is shared by all sessions and never changes.
type plan struct {
	name, title string
	proof       string
	base        template
	headers     []parameter
	auth        authPlan
	limits      limits
	rpc         *rpcPlan
	values      values
	check       *call
	rules       []rule
	lookups     map[string]*lookup
	streams     []*stream
}

type limits struct {
	concurrency  int
	rate         rate.Limit
	burst        int
	windows      []windowPlan
	timeout      time.Duration
	responseSize int64
}

type rpcPlan struct {
	path   template
	body   template
	result pointer
}

// parameter is a named text: of a query, a form or a header.
type parameter struct {
	name  string
	value template
}

// call is how to ask the remote one thing.
type call struct {
	method     string
	path       template
	query      []parameter
	headers    []parameter
	body       template
	form       []parameter
	rpcMethod  template // with rpcParams: the body is the manifest's rpc body
	rpcParams  template
	read       bool // changes nothing
	anywhere   bool // may go to another host than the base's: where OAuth tokens are
	repeatable bool // doing it twice does no more than once
}

type lookup struct {
	name   string
	call   *call
	value  pointer
	remedy string
	ttl    time.Duration
}

func compile(m *manifest, faults *Faults) *plan {
	c := &compiler{faults: faults, roots: []string{"config", "secret"}, lookups: map[string]bool{}}
	for name := range m.Lookups {
		c.lookups[name] = true
	}
	p := &plan{name: m.Name, title: m.Title, proof: m.Proof, values: m.Values, lookups: map[string]*lookup{}}
	p.base = c.value(&m.Base)
	p.limits = c.limits(m.Limits)
	hasRPC := m.RPC != nil
	p.auth = c.auth(m.Auth, hasRPC)
	c = c.with("session")
	p.headers = c.parameters(&m.Headers)
	if hasRPC {
		p.rpc = &rpcPlan{path: c.path(&m.RPC.Path), body: c.with("rpc").value(&m.RPC.Body), result: c.pointer(m.RPC.Result)}
	}
	p.check = c.call(m.Check, hasRPC, true)
	for _, r := range m.Errors {
		p.rules = append(p.rules, c.rule(r))
	}
	for name, l := range m.Lookups {
		p.lookups[name] = &lookup{
			name: name, call: c.with("key").call(l.callManifest, hasRPC, true),
			value: c.pointer(l.Value), remedy: l.Remedy, ttl: orDefault(l.TTL, time.Hour),
		}
	}
	for i := range m.Streams {
		s := c.stream(&m.Streams[i], hasRPC, p.limits)
		if slices.ContainsFunc(p.streams, func(o *stream) bool { return o.record == s.record }) {
			c.faults.add(m.Streams[i].Line, fmt.Sprintf("the record %q has two streams", s.record))
		}
		p.streams = append(p.streams, s)
	}
	return p
}

func (c *compiler) limits(m limitsManifest) limits {
	l := limits{
		concurrency: m.Concurrency, rate: rate.Inf, burst: 1,
		timeout: orDefault(m.Timeout, 30*time.Second), responseSize: orDefault(m.ResponseSize, 64<<20),
	}
	l.concurrency = orDefault(l.concurrency, 4)
	for _, at := range m.Rate {
		count, unit, _ := strings.Cut(at.Text, "/")
		n, err := strconv.Atoi(count)
		per, known := map[string]time.Duration{"s": time.Second, "min": time.Minute, "h": time.Hour, "day": 24 * time.Hour}[unit]
		switch {
		case err != nil || !known || n < 1 || n > maxWindow:
			c.faults.add(at.Line, "a rate is written as 10/s, 60/min, 500/h or 5000/day, and at most a million")
		case unit == "s":
			l.rate, l.burst = rate.Limit(n), n
		default:
			l.windows = append(l.windows, windowPlan{n, per})
		}
	}
	return l
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (c *compiler) optional(n *yaml.Node) template {
	if n.Kind == 0 {
		return literal{""}
	}
	return c.value(n)
}

func (c *compiler) parameters(n *yaml.Node) []parameter {
	var list []parameter
	for i := 0; i+1 < len(n.Content); i += 2 {
		list = append(list, parameter{n.Content[i].Value, c.value(n.Content[i+1])})
	}
	return list
}

func (c *compiler) pointer(l located) pointer {
	p, _ := parsePointer(l.Text) // the schema has told
	return p
}

func (c *compiler) source(l located) source {
	s, _ := parseSource(l.Text) // the schema has told
	return s
}

func (c *compiler) call(m callManifest, hasRPC, read bool) *call {
	made := &call{
		method: m.Method, path: c.path(&m.Path), read: read,
		query: c.parameters(&m.Query), headers: c.parameters(&m.Headers), form: c.parameters(&m.Form),
	}
	if m.Body.Kind != 0 {
		made.body = c.value(&m.Body)
	}
	if m.RPC != nil {
		made.rpcMethod, made.rpcParams = c.value(&m.RPC.Method), c.value(&m.RPC.Params)
		if !hasRPC {
			c.fault(&m.RPC.Method, "a call by rpc needs the manifest's rpc section")
		}
	}
	bodies := 0
	for _, has := range []bool{made.body != nil, made.form != nil, m.RPC != nil} {
		if has {
			bodies++
		}
	}
	if bodies > 1 {
		c.faults.add(max(m.Body.Line, m.Form.Line), "a call has one of body, form and rpc")
	}
	if made.method == "" {
		made.method = http.MethodGet
		if bodies > 0 {
			made.method = http.MethodPost
		}
	}
	made.repeatable = read || slices.Contains([]string{http.MethodGet, http.MethodPut, http.MethodDelete}, made.method)
	if m.Repeatable != nil {
		made.repeatable = *m.Repeatable
	}
	return made
}

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

func (c *compiler) stream(at *placed[streamManifest], hasRPC bool, l limits) *stream {
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
			at: c.pointer(r.At), call: c.with("ids").call(r.callManifest, hasRPC, true), records: c.pointer(r.Records), id: c.pointer(r.ID),
		})
	}
	if m.Pull != nil {
		s.pull = c.pull(m.Pull, hasRPC)
		if s.pull.changes != nil && s.pull.overlap == nil {
			c.faults.add(at.Line, "changes need overlap: without it nothing is read by what changed")
		}
		if s.pull.overlap != nil && s.updated == nil {
			c.faults.add(at.Line, "a stream with overlap needs updated: where a record says when it changed")
		}
	}
	if m.Get != nil {
		s.get = c.get(m.Get, hasRPC)
	}
	if m.Find != nil {
		s.find = &readPlan{
			call: c.with("reference").call(m.Find.callManifest, hasRPC, true), at: c.pointer(m.Find.Records), missing: m.Find.Missing,
			columns: columns{m.Find.Columns, m.Find.Gather},
		}
	}
	written := c.with("data", "remote_version", "reference")
	s.create = written.write(m.Create, m, hasRPC)
	existing := written.with("id", "record")
	s.update = existing.write(m.Update, m, hasRPC)
	s.remove = existing.write(m.Delete, m, hasRPC)
	s.before, s.then = existing.steps(m.Before, hasRPC), existing.steps(m.Then, hasRPC)
	if s.get == nil && s.pull != nil && s.pull.whole {
		c.faults.add(at.Line, "whole needs get: how the whole record is read")
	}
	if s.get == nil && (len(s.before) > 0 || len(s.then) > 0 || s.readsBack()) {
		c.faults.add(at.Line, "before, then, when and read_back need get: how the record is now")
	}
	s.capabilities = s.describe(m, l)
	return s
}

func (c *compiler) get(m *readManifest, hasRPC bool) *readPlan {
	if m.Records.Set {
		return &readPlan{
			call: c.with("ids").call(m.callManifest, hasRPC, true), at: c.pointer(m.Records), several: true, columns: columns{m.Columns, m.Gather},
		}
	}
	return &readPlan{call: c.with("id").call(m.callManifest, hasRPC, true), at: c.pointer(m.Record), columns: columns{m.Columns, m.Gather}}
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

func (c *compiler) pull(m *pullManifest, hasRPC bool) *pullPlan {
	c = c.with("limit", "since", "until", "page", "offset", "after", "cursor")
	p := &pullPlan{
		call: c.call(m.callManifest, hasRPC, true), records: c.pointer(m.Records), missing: m.Missing, columns: columns{names: m.Columns},
		total: c.maybe(m.Total), overlap: m.Overlap, whole: m.Whole, page: c.page(m.Page),
	}
	if m.Changes != nil {
		p.changes = &changesPlan{reach: m.Changes.Reach, most: m.Changes.Most, list: pullPlan{
			call: c.call(m.Changes.callManifest, hasRPC, true), records: c.pointer(m.Changes.Records), missing: m.Changes.Missing,
			overlap: m.Overlap, whole: m.Whole, page: pagePlan{by: "none"},
		}}
	}
	return p
}

func (c *compiler) write(at *placed[writeManifest], s *streamManifest, hasRPC bool) *writePlan {
	if at == nil {
		return nil
	}
	m := &at.Value
	callScope := c
	if m.Batch > 0 {
		callScope = c.with("items")
	}
	w := &writePlan{
		call: callScope.call(m.callManifest, hasRPC, false), record: c.maybe(m.Record), readBack: m.ReadBack,
		batch: m.Batch, results: c.pointer(m.Results), atomic: m.Atomic, when: c.when(m.When),
	}
	if !m.ID.Set {
		m.ID = s.ID
	}
	w.id = c.source(m.ID)
	if m.Locate != nil {
		w.locate = c.with("answer").call(m.Locate.callManifest, hasRPC, true)
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

func (c *compiler) steps(list []stepManifest, hasRPC bool) []step {
	steps := make([]step, 0, len(list))
	for _, m := range list {
		s := step{name: m.Name, on: m.On, when: c.when(m.When), refuse: m.Refuse, together: m.Together}
		at := c
		if m.Together {
			at = c.with("ids")
		}
		if m.Refuse == "" {
			s.call = at.call(m.callManifest, hasRPC, false)
		}
		steps = append(steps, s)
	}
	return steps
}
