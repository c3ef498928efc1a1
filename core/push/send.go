package push

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"crmhub/core/connector"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/schema"
)

// proposalDelay is when an entity is looked at again about which a matching asks. Whoever answers makes it due at once.
const proposalDelay = time.Hour

// send gives every claimed item an outcome. Calls that have begun are finished when ctx ends; the others are not begun.
func (p *Pusher) send(ctx context.Context, s *stream, items []*item, announced time.Time) error {
	var calls []*item
	for _, it := range items {
		switch {
		case it.proposed && it.remoteID == "" && !p.mayExist(it):
			p.settle(it, link.Park(it.link.ID, proposalDelay, link.Cause{
				Class: link.ClassMatching, Message: "it may be a record that is there already", Remedy: "Review the proposals of the matching.", Said: schema.Say("may_be_there"),
			}), "parked")
		case it.fault != nil:
			p.faulty(s, it)
		case it.deleted && it.remoteID == "" && !p.mayExist(it), it.deleted && !s.Delete && it.remoteID != "":
			p.done(it, it.remoteID, it.remoteVersion) // nothing of it is over there, or it cannot be taken away
		default:
			calls = append(calls, it)
		}
	}
	var g errgroup.Group
	g.SetLimit(cap(s.slots))
	for size := max(s.Batch, 1); len(calls) > 0; {
		chunk := calls[:min(size, len(calls))]
		calls = calls[len(chunk):]
		g.Go(func() error { return p.call(ctx, s, chunk, announced) })
	}
	return g.Wait()
}

// call looks up what must be, then writes the items in one call.
func (p *Pusher) call(ctx context.Context, s *stream, items []*item, announced time.Time) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil || p.breaker.isOpen() {
		for _, it := range items {
			p.release(it, nil)
		}
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	rest, err := p.lookUp(ctx, s, items)
	if err != nil {
		return err
	}
	if err := p.at(stepLookedUp); err != nil {
		return err
	}
	// What turned out to exist is updated in a second call; more than that is left for later.
	for range 2 {
		if len(rest) == 0 {
			return nil
		}
		if rest, err = p.write(ctx, s, rest, announced); err != nil {
			return err
		}
	}
	for _, it := range rest {
		p.park(it, p.backOff(it, nil), &connector.Error{Class: connector.ClassConflict, Message: "the record keeps changing", Said: schema.Say("keeps_changing")})
	}
	return nil
}

// lookUp finds out, before anything is created, whether it is there already: where an earlier call may have created
// it, and where the stream wants it looked for in any case. It returns what is left to be written.
func (p *Pusher) lookUp(ctx context.Context, s *stream, items []*item) ([]*item, error) {
	rest := items[:0:0]
	var adopted []*item
	for _, it := range items {
		switch {
		case it.remoteID != "" || !p.mayExist(it) && !s.FindFirst:
			rest = append(rest, it)
		case s.Find:
			found, err := p.find(ctx, s, it)
			it.lookedUp = err == nil
			switch {
			case err != nil:
				p.notFoundOut(s, it, err)
			case found:
				adopted = append(adopted, it)
			case it.deleted:
				p.done(it, "", "")
			case it.link.Outstanding() && it.link.Reference != it.reference:
				// It must be announced with the reference it will carry, or it could not be found by it.
				p.settle(it, link.Absent(it.link.ID), "released")
			default:
				rest = append(rest, it)
			}
		case s.Idempotent && !it.deleted:
			rest = append(rest, it)
		default:
			p.fail(s, it, &connector.Error{
				Class: connector.ClassConflict, Message: "an earlier call may have created the deleted entity's record, and this system cannot look it up",
				Remedy: "Look for the record in the other system and delete it there.", Said: schema.Say("may_be_left_there"),
			})
		}
	}
	adopted, err := p.unclaimed(ctx, s, adopted)
	if err != nil {
		return nil, err
	}
	for _, it := range adopted {
		if it.deleted && !s.Delete || !it.deleted && !s.FindFirst && !s.Steps && it.link.Outstanding() && bytes.Equal(it.digest, it.link.Digest) {
			p.done(it, it.remoteID, it.remoteVersion) // it is what the earlier call left there
			continue
		}
		rest = append(rest, it)
	}
	return rest, nil
}

// find looks an item up by the reference it was or would be created with.
func (p *Pusher) find(ctx context.Context, s *stream, it *item) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	var recorded connector.Recorder
	began := time.Now()
	record, err := p.finder.Find(connector.Recorded(ctx, &recorded), s.Record, it.link.Reference)
	if err != nil || record == nil {
		it.said("find", began, recorded.Of(0), nil, nil)
		return false, err
	}
	it.said("find", began, recorded.Of(0), nil, record.Data)
	it.remoteID, it.remoteVersion = record.ID, record.Version
	return true, nil
}

// unclaimed returns those of the found items whose record is no other entity's. The others fail.
func (p *Pusher) unclaimed(ctx context.Context, s *stream, found []*item) ([]*item, error) {
	if len(found) == 0 {
		return nil, nil
	}
	refs := make([]mapping.Ref, len(found))
	for i, it := range found {
		refs[i] = mapping.Ref{Entity: s.Entity, ID: it.remoteID}
	}
	var links map[mapping.Ref]link.Link
	err := p.retry(ctx, func(tx pgx.Tx) (err error) {
		links, err = link.ByRemote(ctx, tx, p.Connection, refs)
		return err
	})
	if err != nil {
		return nil, err
	}
	rest := found[:0]
	for i, it := range found {
		if other, ok := links[refs[i]]; ok && other.ID != it.link.ID {
			it.remoteID, it.remoteVersion, it.lookedUp = "", "", false
			p.fail(s, it, &connector.Error{
				Class: connector.ClassConflict, Message: "the record with this reference is linked with another entity",
				Remedy: "Give one of the two another reference, or delete one.", Said: schema.Say("reference_taken"),
			})
			continue
		}
		rest = append(rest, it)
	}
	return rest, nil
}

// write sends the items in one call and returns those that are to be written once more, as updates.
func (p *Pusher) write(ctx context.Context, s *stream, items []*item, announced time.Time) (again []*item, err error) {
	if time.Since(announced) > p.times.fresh {
		if items, err = p.renew(ctx, s, items); err != nil || len(items) == 0 {
			return nil, err
		}
	}
	writes := make([]connector.Write, len(items))
	for i, it := range items {
		writes[i] = it.write()
	}
	cctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	began := time.Now()
	var recorded connector.Recorder
	results, failed := p.sender.Push(connector.Recorded(cctx, &recorded), s.Record, writes)
	p.Metrics.seconds.WithLabelValues(p.Code, s.Entity).Observe(time.Since(began).Seconds())
	if err := p.at(stepSent); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, p.nothingSent(ctx, s, items, connector.AsError(failed), announced)
	}
	if len(results) != len(writes) {
		results = make([]connector.Result, len(writes)) // whose is whose? all are unknown
	}
	worked := false
	var last *connector.Error
	for i, it := range items {
		r := results[i]
		it.op = writes[i].Op
		it.said(string(it.op), began, recorded.Of(i), it.canonical, r.Record.Data)
		worked = worked || r.Outcome == connector.Done
		if r.Err != nil && (r.Outcome == connector.Unknown || r.Err.Class == connector.ClassTransient) {
			last = r.Err
		}
		more, err := p.result(ctx, s, it, writes[i].Op, r)
		if err != nil {
			return nil, err
		}
		if more {
			again = append(again, it)
		}
	}
	switch {
	case worked:
		p.breaker.success()
	case last != nil:
		p.breaker.failure(last)
	}
	return again, nil
}

// renew begins the grace of items anew whose announcement is too old, and drops those that are no longer ours.
func (p *Pusher) renew(ctx context.Context, s *stream, items []*item) ([]*item, error) {
	ids := make([]uuid.UUID, len(items))
	for i, it := range items {
		ids[i] = it.link.ID
	}
	var ours map[uuid.UUID]bool
	err := p.retry(ctx, func(tx pgx.Tx) (err error) {
		ours, err = link.Renew(ctx, tx, link.Claimant{Worker: p.worker, Grace: s.grace}, ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("renew: %w", err)
	}
	rest := items[:0:0]
	for _, it := range items {
		if ours[it.link.ID] {
			rest = append(rest, it)
		} else {
			p.release(it, nil) // changes nothing: the claim is another's
		}
	}
	return rest, nil
}

func (it *item) write() connector.Write {
	w := connector.Write{
		Op: connector.OpUpdate, ID: it.remoteID, RemoteVersion: it.remoteVersion, Version: it.version, Reference: it.link.Reference, Data: it.record,
	}
	switch {
	case it.deleted:
		w.Op = connector.OpDelete
	case it.remoteID == "":
		w.Op = connector.OpCreate
	}
	return w
}
