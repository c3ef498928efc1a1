package conformance

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"sync"
	"time"

	"crmhub/core/connector"
)

func (p *probe) creation() connector.Write {
	ref := "kit-" + rand.Text()[:12]
	return connector.Write{Op: connector.OpCreate, Reference: ref, Data: p.stream.Data(ref)}
}

// push sends one write and wants one result.
func (p *probe) push(s connector.Session, w connector.Write) connector.Result {
	results, err := s.(connector.Pusher).Push(p.ctx, p.stream.Record, []connector.Write{w})
	if err != nil {
		p.fatalf("%s: %v", w.Op, err)
	}
	if len(results) != 1 {
		p.fatalf("one write gave %d results", len(results))
	}
	r := results[0]
	if (r.Outcome == connector.Done) == (r.Err != nil) || r.Outcome == connector.Done && r.Record.ID == "" {
		p.fatalf("%s: the result contradicts itself: outcome %d, id %q, error %v", w.Op, r.Outcome, r.Record.ID, r.Err)
	}
	return r
}

func (p *probe) done(s connector.Session, w connector.Write) connector.Record {
	r := p.push(s, w)
	if r.Outcome != connector.Done {
		p.fatalf("%s: outcome %d, %v", w.Op, r.Outcome, r.Err)
	}
	return r.Record
}

func (p *probe) get(s connector.Session, id string) *connector.Record {
	r, err := s.(connector.Getter).Get(p.ctx, p.stream.Record, id)
	if err != nil {
		p.fatalf("get: %v", err)
	}
	return r
}

func (p *probe) find(s connector.Session, ref string) *connector.Record {
	r, err := s.(connector.Finder).Find(p.ctx, p.stream.Record, ref)
	if err != nil {
		p.fatalf("find: %v", err)
	}
	return r
}

// change updates what a write created.
func (p *probe) change(s connector.Session, id string, created connector.Write) connector.Write {
	w := connector.Write{Op: connector.OpUpdate, ID: id, Reference: created.Reference, Data: maps.Clone(created.Data)}
	if p.declared.Get {
		if now := p.get(s, id); now != nil {
			w.RemoteVersion = now.Version
		}
	}
	p.stream.Change(w.Data)
	if r := p.done(s, w); r.ID != id {
		p.errorf("an update of %s gave %s", id, r.ID)
	}
	return w
}

// same checks that the record is as written, however it is looked up.
func (p *probe) same(s connector.Session, id string, w connector.Write) {
	if p.declared.Get {
		r := p.get(s, id)
		if r == nil {
			p.fatalf("%s is not there", id)
		}
		if r.ID != id || !p.stream.Same(w.Data, r.Data) {
			p.errorf("get %s gave %s: %v, not %v", id, r.ID, r.Data, w.Data)
		}
	}
	if p.declared.Find {
		r := p.find(s, w.Reference)
		if r == nil {
			p.fatalf("%s is not found by %s", id, w.Reference)
		}
		if r.ID != id || !p.stream.Same(w.Data, r.Data) {
			p.errorf("find %s gave %s: %v, not %s: %v", w.Reference, r.ID, r.Data, id, w.Data)
		}
	}
}

// equality: what was pushed reads back as pushed, after a create and after an update.
func (p *probe) equality() {
	s := p.session()
	w := p.creation()
	if p.declared.Find {
		if r := p.find(s, w.Reference); r != nil {
			p.fatalf("found before it was created: %s", r.ID)
		}
	}
	id := p.done(s, w).ID
	p.same(s, id, w)
	changed := p.change(s, id, w)
	p.same(s, id, changed)
	if !p.declared.Pull {
		return
	}
	pages := p.pull(s, nil, 100)
	if r, ok := p.byID(pages)[id]; ok && !p.stream.Same(changed.Data, r.Data) {
		p.errorf("%s was pulled as %v, not %v", id, r.Data, changed.Data)
	} else if !ok && !pages[len(pages)-1].More {
		p.errorf("%s was not pulled", id)
	}
}

// idempotence: a create that is sent again with its reference makes nothing new.
func (p *probe) idempotence() {
	s := p.session()
	w := p.creation()
	first := p.done(s, w)
	if again := p.done(s, w); again.ID != first.ID {
		p.errorf("created twice with one reference: %s and %s", first.ID, again.ID)
	}
}

// several: writes that go together have a result each.
func (p *probe) several() {
	s := p.session()
	writes := []connector.Write{p.creation(), p.creation(), p.creation()}[:max(1, min(3, p.declared.Batch))]
	results, err := s.(connector.Pusher).Push(p.ctx, p.stream.Record, writes)
	if err != nil || len(results) != len(writes) {
		p.fatalf("%d writes gave %d results, %v", len(writes), len(results), err)
	}
	for i, r := range results {
		if r.Outcome != connector.Done {
			p.fatalf("write %d of several: %v", i, r.Err)
		}
		p.same(s, r.Record.ID, writes[i])
	}
}

// refusals: a record that the remote does not take is told by class, and does not take others down with it.
func (p *probe) refusals() {
	spoiled := maps.Clone(p.stream.Refusals)
	if spoiled == nil {
		spoiled = map[connector.Class]func(map[string]any){}
	}
	if p.stream.Invalid != nil {
		spoiled[connector.ClassData] = p.stream.Invalid
	}
	for class, spoil := range spoiled {
		p.refusal(class, spoil)
	}
}

func (p *probe) refusal(class connector.Class, spoil func(map[string]any)) {
	s := p.session()
	bad := p.creation()
	spoil(bad.Data)
	writes := []connector.Write{bad}
	if p.declared.Batch > 1 {
		writes = []connector.Write{p.creation(), bad, p.creation()}
	}
	results, err := s.(connector.Pusher).Push(p.ctx, p.stream.Record, writes)
	if err != nil {
		p.fatalf("push: %v", err)
	}
	for i, r := range results {
		switch {
		case writes[i].Reference != bad.Reference:
			if r.Outcome != connector.Done {
				p.errorf("a good record beside a bad one: %v", r.Err)
			}
		case r.Outcome != connector.Refused || r.Err.Class != class:
			p.errorf("a bad record: outcome %d, %v; wanted class %s", r.Outcome, r.Err, class)
		case r.Err.Message == "":
			p.errorf("a bad record: the error says nothing")
		}
	}
	if p.declared.Find {
		if r := p.find(s, bad.Reference); r != nil {
			p.errorf("a refused record is there")
		}
	}
}

// deletion: what is deleted is gone, and deleting it again is no fault.
func (p *probe) deletion() {
	s := p.session()
	w := p.creation()
	id := p.done(s, w).ID
	p.done(s, connector.Write{Op: connector.OpDelete, ID: id})
	if r := p.get(s, id); r != nil && !r.Deleted {
		p.errorf("a deleted record is still there")
	}
	p.done(s, connector.Write{Op: connector.OpDelete, ID: id})
}

// absence: what does not exist is no error and no record.
func (p *probe) absence() {
	s := p.session()
	if r := p.get(s, "999999999"); r != nil {
		p.errorf("got a record that does not exist")
	}
	if !p.declared.Find {
		return
	}
	if r := p.find(s, "kit-"+rand.Text()); r != nil {
		p.errorf("found a record that does not exist")
	}
}

// retry: after an answer that never came, the record is found by its reference, so nobody creates it again.
func (p *probe) retry() {
	s := p.session()
	w := p.creation()
	r := p.misbehave(s, HangAfterCommit, w)
	if r.Outcome != connector.Unknown {
		p.errorf("an answer that never came: outcome %d, %v", r.Outcome, r.Err)
	}
	there := p.find(s, w.Reference)
	if there == nil {
		p.fatalf("the record is not found by its reference")
	}
	p.same(s, there.ID, w)
}

// outcomes: a misbehaving remote never makes a connector claim what it does not know.
func (p *probe) outcomes() {
	for _, c := range []struct {
		fault   Fault
		outcome connector.Outcome
		class   connector.Class
	}{
		{RateLimit, connector.Refused, connector.ClassQuota},
		{ServerError, connector.Unknown, connector.ClassTransient},
		{HangAfterCommit, connector.Unknown, connector.ClassTransient},
	} {
		s := p.session()
		w := p.creation()
		r := p.misbehave(s, c.fault, w)
		if r.Outcome != c.outcome || r.Err == nil || r.Err.Class != c.class {
			p.errorf("%s: outcome %d, %v; wanted outcome %d, class %s", c.fault, r.Outcome, r.Err, c.outcome, c.class)
			continue
		}
		if says, ok := p.Faults.(interface{ RetryAfter() time.Duration }); ok && c.fault == RateLimit && r.Err.RetryAfter != says.RetryAfter() {
			p.errorf("the remote said to come again in %s, the error says %s", says.RetryAfter(), r.Err.RetryAfter)
		}
		if !p.declared.Find {
			continue
		}
		there := p.find(s, w.Reference)
		if (there != nil) != (c.fault == HangAfterCommit) {
			p.errorf("%s: afterwards the record is there: %v", c.fault, there != nil)
		}
	}
}

// misbehave pushes while the remote has a fault. What hangs is given up as soon as the work is seen to be done, or after a
// second where it cannot be seen.
func (p *probe) misbehave(s connector.Session, f Fault, w connector.Write) connector.Result {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	stop := p.Faults.Inject(f)
	defer stop()
	if f == HangAfterCommit {
		var watching sync.WaitGroup
		defer watching.Wait()
		watching.Go(func() {
			defer cancel()
			p.await(ctx, s, w.Reference)
		})
	}
	results, err := s.(connector.Pusher).Push(ctx, p.stream.Record, []connector.Write{w})
	cancel()
	if err != nil {
		p.fatalf("%s: an error instead of results says that nothing was sent: %v", f, err)
	}
	return results[0]
}

// await returns when a record is found by its reference, or nobody waits for it any more.
func (p *probe) await(ctx context.Context, s connector.Session, reference string) {
	pause := time.Second
	if p.declared.Find {
		pause = 20 * time.Millisecond
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for given := time.Now(); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if !p.declared.Find || time.Since(given) > patience/4 {
			return
		}
		if r, err := s.(connector.Finder).Find(ctx, p.stream.Record, reference); err == nil && r != nil {
			return
		}
	}
}

func (p *probe) cancelled() {
	s := p.session()
	ctx, cancel := context.WithCancel(p.ctx)
	cancel()
	if err := s.Check(ctx); err == nil {
		p.errorf("check succeeded though it was cancelled")
	}
	if p.declared.Pull {
		if _, err := s.(connector.Puller).Pull(ctx, connector.PullRequest{Stream: p.stream.Record, Limit: 1}); err == nil {
			p.errorf("pull succeeded though it was cancelled")
		}
	}
	if verdict, _ := writes(p); verdict != Passed {
		return
	}
	results, err := s.(connector.Pusher).Push(ctx, p.stream.Record, []connector.Write{p.creation()})
	if err == nil && results[0].Outcome == connector.Done {
		p.errorf("push succeeded though it was cancelled")
	}
}

func (p *probe) closed() {
	s, err := p.Open()
	if err != nil {
		p.fatalf("open: %v", err)
	}
	if err := s.Close(); err != nil {
		p.fatalf("close: %v", err)
	}
	if err := s.Check(p.ctx); err == nil {
		p.errorf("a closed session works on")
	} else if e := new(connector.Error); !errors.As(err, &e) {
		p.errorf("a closed session's error has no class: %v", err)
	}
}
