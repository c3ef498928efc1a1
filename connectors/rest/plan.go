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
	c := &compiler{faults: faults, roots: []string{"config", "secret"}, lookups: map[string]bool{}, rpc: m.RPC != nil}
	for name := range m.Lookups {
		c.lookups[name] = true
	}
	p := &plan{name: m.Name, title: m.Title, proof: m.Proof, values: m.Values, lookups: map[string]*lookup{}}
	p.base = c.value(&m.Base)
	p.limits = c.limits(m.Limits)
	p.auth = c.auth(m.Auth)
	c = c.with("session")
	p.headers = c.parameters(&m.Headers)
	if c.rpc {
		p.rpc = &rpcPlan{path: c.path(&m.RPC.Path), body: c.with("rpc").value(&m.RPC.Body), result: c.pointer(m.RPC.Result)}
	}
	p.check = c.reads(m.Check)
	for _, r := range m.Errors {
		p.rules = append(p.rules, c.rule(r))
	}
	for name, l := range m.Lookups {
		p.lookups[name] = &lookup{
			name: name, call: c.with("key").reads(l.callManifest),
			value: c.pointer(l.Value), remedy: l.Remedy, ttl: orDefault(l.TTL, time.Hour),
		}
	}
	for i := range m.Streams {
		s := c.stream(&m.Streams[i], p.limits)
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

// reads is a call that changes nothing.
func (c *compiler) reads(m callManifest) *call {
	made := c.call(m)
	made.read = true
	if m.Repeatable == nil {
		made.repeatable = true
	}
	return made
}

func (c *compiler) call(m callManifest) *call {
	made := &call{
		method: m.Method, path: c.path(&m.Path),
		query: c.parameters(&m.Query), headers: c.parameters(&m.Headers), form: c.parameters(&m.Form),
	}
	if m.Body.Kind != 0 {
		made.body = c.value(&m.Body)
	}
	if m.RPC != nil {
		made.rpcMethod, made.rpcParams = c.value(&m.RPC.Method), c.value(&m.RPC.Params)
		if !c.rpc {
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
	made.repeatable = slices.Contains([]string{http.MethodGet, http.MethodPut, http.MethodDelete}, made.method)
	if m.Repeatable != nil {
		made.repeatable = *m.Repeatable
	}
	return made
}
