package hubtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"crmhub/core/connector"
)

// Remote is a system in memory, whose records have a version each.
type Remote struct {
	mu      sync.Mutex
	records map[string]map[string]connector.Record // by stream and id
	next    int
	before  func(call int) error // of a page, if set
	calls   int
	asked   int
}

// NewRemote returns a system without records.
func NewRemote() *Remote {
	return &Remote{records: map[string]map[string]connector.Record{"party": {}, "receipt": {}}}
}

// Script says what happens before each page from now on, counted from 0. A doubt counts for who has not accepted it.
func (r *Remote) Script(before func(call int) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before, r.calls = before, 0
}

// Check finds it there.
func (r *Remote) Check(context.Context) error { return nil }

// Close does nothing.
func (r *Remote) Close() error { return nil }

// Put stores a record; without an id it is new.
func (r *Remote) Put(stream, id string, data map[string]any) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set(stream, id, data).ID
}

func (r *Remote) set(stream, id string, data map[string]any) connector.Record {
	r.next++
	if id == "" {
		id = fmt.Sprintf("%06d", r.next)
	}
	record := connector.Record{ID: id, Version: strconv.Itoa(r.next), Data: maps.Clone(data)}
	r.records[stream][id] = record
	return record
}

// Remove deletes a record.
func (r *Remote) Remove(stream, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.records[stream], id)
}

// All are the records of a stream by id.
func (r *Remote) All(stream string) map[string]connector.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.records[stream])
}

// Pull gives pages by offset, as many systems do: what is deleted meanwhile shifts them.
func (r *Remote) Pull(_ context.Context, in connector.PullRequest) (connector.Page, error) {
	r.mu.Lock()
	before, call := r.before, r.calls
	r.calls++
	r.mu.Unlock()
	if before != nil {
		if err := before(call); err != nil && (!in.Accept || !isDoubt(err)) {
			return connector.Page{}, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	start := 0
	if in.Cursor != nil {
		if err := json.Unmarshal(in.Cursor, &start); err != nil {
			return connector.Page{}, err
		}
	}
	ids := slices.Sorted(maps.Keys(r.records[in.Stream]))
	start = min(start, len(ids))
	end := min(start+in.Limit, len(ids))
	p := connector.Page{Cursor: json.RawMessage(strconv.Itoa(end)), More: end < len(ids)}
	for _, id := range ids[start:end] {
		p.Records = append(p.Records, r.records[in.Stream][id])
	}
	return p, nil
}

func isDoubt(err error) bool {
	_, ok := errors.AsType[*connector.Doubt](err)
	return ok
}

// Get gives a record.
func (r *Remote) Get(_ context.Context, stream, id string) (*connector.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	record, ok := r.records[stream][id]
	if !ok {
		return nil, nil //nolint:nilnil // there is none
	}
	return &record, nil
}

// Find gives the record with a code.
func (r *Remote) Find(_ context.Context, stream, reference string) (*connector.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range r.records[stream] {
		if record.Data["code"] == reference {
			return &record, nil
		}
	}
	return nil, nil //nolint:nilnil // there is none
}

// Push writes as a system with optimistic locking does.
func (r *Remote) Push(_ context.Context, stream string, writes []connector.Write) ([]connector.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	results := make([]connector.Result, len(writes))
	for i, w := range writes {
		old, there := r.records[stream][w.ID]
		switch {
		case w.Op != connector.OpCreate && there && w.RemoteVersion != "" && w.RemoteVersion != old.Version:
			results[i] = connector.Result{Outcome: connector.Refused, Err: &connector.Error{Class: connector.ClassConflict, Message: "it was changed"}}
		case w.Op != connector.OpCreate && !there:
			results[i] = connector.Result{Outcome: connector.Refused, Err: &connector.Error{Class: connector.ClassData, Message: "there is no such record"}}
		case w.Op == connector.OpDelete:
			delete(r.records[stream], w.ID)
			results[i] = connector.Result{Outcome: connector.Done, Record: connector.Record{ID: w.ID}}
		default:
			data := maps.Clone(old.Data)
			if data == nil {
				data = map[string]any{}
			}
			maps.Copy(data, w.Data)
			results[i] = connector.Result{Outcome: connector.Done, Record: r.set(stream, w.ID, data)}
		}
	}
	return results, nil
}

// Asked is how many single records it was asked for.
func (r *Remote) Asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}
