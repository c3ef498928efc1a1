package rest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// maxFindings bounds what one lookup remembers.
const maxFindings = 10_000

// findings remembers what a lookup found. What was not found is asked again: somebody may have added it.
type findings struct {
	asking chan struct{} // held by the one that asks the remote
	mutex  sync.Mutex
	values map[string]finding
}

type finding struct {
	value any
	until time.Time
}

func newFindings() *findings {
	return &findings{asking: make(chan struct{}, 1), values: map[string]finding{}}
}

func (f *findings) get(key string) (any, bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	v, ok := f.values[key]
	return v.value, ok && time.Now().Before(v.until)
}

func (f *findings) put(key string, value any, ttl time.Duration) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if len(f.values) >= maxFindings {
		clear(f.values)
	}
	f.values[key] = finding{value, time.Now().Add(ttl)}
}

// lookup returns the remote's id for a name of ours. Its error is a *[connector.Error].
func (s *session) lookup(ctx context.Context, name, key string) (any, error) {
	v, ok, err := s.seek(ctx, name, key)
	if err != nil || ok {
		return v, err
	}
	remedy := s.plan.lookups[name].remedy
	if remedy == "" {
		remedy = fmt.Sprintf("Add the %s to the remote system, or correct it in the record or the mapping.", name)
	}
	return nil, &connector.Error{Class: connector.ClassData, Message: fmt.Sprintf("the remote has no %s %q", name, s.said(key, nil)), Remedy: remedy, Said: schema.Say("lacks_there", name, s.said(key, nil))}
}

// seek is lookup without a refusal where there is nothing.
func (s *session) seek(ctx context.Context, name, key string) (any, bool, error) {
	found := s.found[name]
	if v, ok := found.get(key); ok {
		return v, true, nil
	}
	select {
	case found.asking <- struct{}{}:
		defer func() { <-found.asking }()
	case <-ctx.Done():
		return nil, false, unreachable(ctx.Err()).err
	}
	if v, ok := found.get(key); ok {
		return v, true, nil
	}
	l := s.plan.lookups[name]
	a, f := s.do(connector.Unrecorded(ctx), l.call, &scope{key: key}) // what it finds serves other records too
	if f != nil {
		if gone(a, f) {
			return nil, false, nil
		}
		return nil, false, f.err
	}
	v, ok := l.value.in(a.body)
	if !ok || v == nil {
		return nil, false, nil
	}
	found.put(key, v, l.ttl)
	return v, true, nil
}
