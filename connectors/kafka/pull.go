package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// ahead is what was read of a topic and not asked for yet, by partition.
type ahead map[int32]run

// run is messages of a partition that follow each other, from the offset on.
type run struct {
	from     int64
	messages []*kgo.Record
	next     int64 // the offset after them
	end      int64 // of what can be read of the log now
}

// place is where the run goes on after n of its messages. Offsets may have gaps: compaction and transactions leave them.
func (r run) place(n int) int64 {
	if n == len(r.messages) {
		return r.next
	}
	return r.messages[n].Offset
}

// Pull reads a page: of each partition some messages, in their order.
func (s *session) Pull(ctx context.Context, r connector.PullRequest) (connector.Page, error) {
	name := s.in(r.Stream)
	from, err := cursorFor(name, r.Cursor)
	if err != nil {
		return connector.Page{}, err
	}
	if runs, enough := s.readAhead(from, r.Limit); enough && !s.closed.Load() && ctx.Err() == nil {
		return s.page(from, runs, r.Limit), nil
	}
	topics, err := s.describe(ctx, name)
	if err != nil {
		return connector.Page{}, err
	}
	t, ok := topics[name]
	if !ok {
		if from.begun() && !r.Accept {
			return connector.Page{}, &connector.Doubt{Message: fmt.Sprintf("topic %s is gone: what it held and was not read yet is lost", name), Said: schema.Say("topic_gone", name)}
		}
		return connector.Page{Cursor: cursor{Topic: name, Offsets: map[int32]int64{}}.encode()}, nil // nobody has published yet
	}
	at, doubt := from.of(t, r.Accept)
	if doubt != nil {
		return connector.Page{}, doubt
	}
	runs, err := s.runs(ctx, t, at, r.Accept)
	if err != nil {
		return connector.Page{}, err
	}
	return s.page(at, runs, r.Limit), nil
}

// readAhead returns what was read before, if all of it follows the cursor and makes a page.
func (s *session) readAhead(at cursor, limit int) (runs ahead, enough bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	runs, n := s.ahead[at.Topic+at.ID], 0
	for id, run := range runs {
		if offset, begun := at.Offsets[id]; !begun || offset != run.from {
			return nil, false
		}
		n += len(run.messages)
	}
	return runs, n >= limit
}

// runs returns what follows the cursor, partition by partition: what was read before, or what is read now.
func (s *session) runs(ctx context.Context, t topic, at cursor, accept bool) (ahead, error) {
	runs := ahead{}
	s.mu.Lock()
	known := s.ahead[t.name+at.ID]
	s.mu.Unlock()
	missing := topic{name: t.name, id: t.id}
	for _, p := range t.partitions {
		offset, begun := at.Offsets[p.id]
		if run, ok := known[p.id]; ok && begun && run.from == offset && len(run.messages) > 0 {
			runs[p.id] = run
			continue
		}
		missing.partitions = append(missing.partitions, p)
	}
	read, err := s.fetch(ctx, missing, at, accept)
	if err != nil {
		return nil, err
	}
	maps.Copy(runs, read)
	return runs, nil
}

// page takes limit messages of the runs, as equally as they come, and keeps the rest for the next page.
func (s *session) page(at cursor, runs ahead, limit int) connector.Page {
	next := cursor{Topic: at.Topic, ID: at.ID, Offsets: maps.Clone(at.Offsets)}
	rest := ahead{}
	page := connector.Page{}
	left := len(runs)
	for _, id := range slices.Sorted(maps.Keys(runs)) {
		run := runs[id]
		share := max(1, (limit-len(page.Records))/left)
		left--
		n := min(share, len(run.messages), limit-len(page.Records))
		for _, m := range run.messages[:n] {
			page.Records = append(page.Records, s.record(m))
		}
		next.Offsets[id] = run.place(n)
		page.More = page.More || next.Offsets[id] < run.end
		rest[id] = run.after(n)
	}
	s.mu.Lock()
	s.ahead[at.Topic+at.ID] = rest
	s.mu.Unlock()
	page.Cursor = next.encode()
	return page
}

// after is what is left when n messages are taken.
func (r run) after(n int) run {
	return run{from: r.place(n), messages: r.messages[n:], next: r.next, end: r.end}
}

// Watch waits until the stream's topic has something after the cursor.
func (s *session) Watch(ctx context.Context, stream string, stored json.RawMessage) error {
	name := s.in(stream)
	from, err := cursorFor(name, stored)
	if err != nil {
		return err
	}
	for {
		topics, err := s.describe(ctx, name)
		if err != nil {
			return err
		}
		t, ok := topics[name]
		if !ok {
			if from.begun() {
				return nil // the pull says what that means
			}
			if !sleep(ctx, unknownTopicPause) {
				return ctx.Err()
			}
			continue
		}
		at, doubt := from.of(t, false)
		if doubt != nil {
			return nil //nolint:nilerr // the pull says it
		}
		if some, err := s.await(ctx, t, at); some || err != nil {
			return err
		}
	}
}
