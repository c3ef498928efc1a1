package push

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"crmhub/core/connector"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/schema"
)

// What follows from what a remote said of one write:
//
//	done                        linked
//	unknown                     unknown, looked up after the settle time
//	refused, transient          parked with back-off
//	refused, quota              given back, the connection pauses as long as the remote asks
//	refused, auth or config     given back, the connection pauses until a check succeeds
//	refused, data or business   failed with a dead letter
//	refused, conflict           looked up: what exists is updated; what changed meanwhile waits for the pull that merges it
//
// It returns true for what is to be written once more.
func (p *Pusher) result(ctx context.Context, s *stream, it *item, op connector.Op, r connector.Result) (again bool, err error) {
	switch r.Outcome {
	case connector.Done:
		return p.confirmed(s, it, op, r.Record), nil
	case connector.Refused:
		if r.Err == nil {
			r.Err = &connector.Error{Class: connector.ClassData, Message: "refused without a reason", Said: schema.Say("no_reason")}
		}
		if r.Err.Class == connector.ClassConflict {
			return p.conflict(ctx, s, it, op, r.Err)
		}
		p.refused(s, it, r.Err)
	default:
		p.lost(s, it, r.Err)
	}
	return false, nil
}

// confirmed says true if the remote answered an idempotent create with the record that an earlier one had made.
func (p *Pusher) confirmed(s *stream, it *item, op connector.Op, r connector.Record) (again bool) {
	if r.ID == "" {
		r.ID = it.remoteID
	}
	if r.ID == "" {
		p.lost(s, it, &connector.Error{Class: connector.ClassTransient, Message: "the remote confirmed a record without an id", Said: schema.Say("no_id")})
		return false
	}
	earlier := op == connector.OpCreate && it.link.Outstanding() && s.Idempotent && string(it.link.Digest) != string(it.digest)
	it.remoteID, it.remoteVersion = r.ID, r.Version
	if earlier {
		return true
	}
	p.done(it, r.ID, r.Version)
	return false
}

// conflict looks at what is there and decides whether to write once more.
func (p *Pusher) conflict(ctx context.Context, s *stream, it *item, op connector.Op, cause *connector.Error) (again bool, err error) {
	switch {
	case op == connector.OpCreate && s.Find:
		found, err := p.find(ctx, s, it)
		if err != nil {
			p.park(it, p.backOff(it, connector.AsError(err)), cause)
			return false, nil
		}
		if !found {
			break
		}
		free, err := p.unclaimed(ctx, s, []*item{it})
		return len(free) > 0, err
	case op != connector.OpCreate && s.Pull && pulls(s.Mapping):
		if it.link.Attempts >= unmerged && s.Get && p.getter != nil {
			return false, p.handOver(ctx, s, it, cause)
		}
		p.park(it, p.backOff(it, nil), cause) // the pull merges and makes it due
		return false, nil
	case op != connector.OpCreate && s.Get && p.getter != nil:
		record, err := p.get(ctx, s, it)
		if err != nil {
			p.park(it, p.backOff(it, connector.AsError(err)), cause)
			return false, nil
		}
		if record != nil && record.Version != it.remoteVersion {
			it.remoteVersion = record.Version
			return true, nil
		}
	}
	p.fail(s, it, cause)
	return false, nil
}

// unmerged is after how many attempts no pull will merge what changed there: with the back-off, two minutes.
const unmerged = 7

// handOver parks an item whose record changed there without a pull's telling, as a list does that goes by a clock which was
// wrong, or while the entity was deleted. The record becomes a letter that waits, and the connection's next pull merges it.
func (p *Pusher) handOver(ctx context.Context, s *stream, it *item, cause *connector.Error) error {
	p.park(it, p.backOff(it, nil), cause)
	record, err := p.get(ctx, s, it)
	if err != nil || record == nil || record.Version == it.remoteVersion {
		return nil //nolint:nilerr // the record is parked, and asked for again with the next attempt
	}
	kept, err := record.Keep()
	if err != nil {
		return err
	}
	it.letter = &job.DeadLetter{
		ConnectionID: p.Connection, Direction: job.Pull, Entity: s.Entity, RemoteID: record.ID, Stage: job.StageMerge, Class: job.ClassWaiting,
		Message: "it was changed there without a pull's telling; the next run merges it", Said: schema.Say("changed_unseen"), Payload: kept,
		MappingVersion: s.Mapping.Version(),
	}
	return nil
}

func (p *Pusher) get(ctx context.Context, s *stream, it *item) (*connector.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	var recorded connector.Recorder
	began := time.Now()
	record, err := p.getter.Get(connector.Recorded(ctx, &recorded), s.Record, it.remoteID)
	it.said("get", began, recorded.Of(0), nil, nil)
	return record, err
}

func pulls(m Mapping) bool {
	for _, f := range m.Fields() {
		if f.Pull {
			return true
		}
	}
	return false
}

// refused is for errors after which certainly nothing was done.
func (p *Pusher) refused(s *stream, it *item, err *connector.Error) {
	switch err.Class {
	case connector.ClassTransient:
		p.park(it, p.backOff(it, err), err)
	case connector.ClassQuota, connector.ClassAuth, connector.ClassConfig:
		p.breaker.trip(err)
		p.release(it, err)
	case connector.ClassData, connector.ClassBusiness, connector.ClassConflict:
		p.fail(s, it, err)
	default:
		p.park(it, p.backOff(it, err), err)
	}
}

// nothingSent is for a call that failed as a whole before anything left.
func (p *Pusher) nothingSent(ctx context.Context, s *stream, items []*item, err *connector.Error, announced time.Time) error {
	switch err.Class {
	case connector.ClassData, connector.ClassBusiness, connector.ClassConflict:
		if len(items) == 1 {
			p.fail(s, items[0], err)
			return nil
		}
		for _, it := range items { // one of them spoils the call
			again, err := p.write(ctx, s, []*item{it}, announced)
			if err != nil {
				return err
			}
			for _, it := range again {
				p.park(it, p.backOff(it, nil), &connector.Error{Class: connector.ClassConflict, Message: "the record exists already", Said: schema.Say("exists_there")})
			}
		}
		return nil
	case connector.ClassTransient:
		p.breaker.failure(err)
	default:
		p.breaker.trip(err)
	}
	for _, it := range items {
		p.release(it, err)
	}
	return nil
}

// notFoundOut is for a look-up that failed. What may be out stays unknown.
func (p *Pusher) notFoundOut(s *stream, it *item, failed error) {
	err := connector.AsError(failed)
	switch err.Class {
	case connector.ClassConflict, connector.ClassData, connector.ClassBusiness:
		p.fail(s, it, err)
	case connector.ClassTransient:
		p.breaker.failure(err)
		p.park(it, p.backOff(it, err), err)
	default:
		p.breaker.trip(err)
		p.release(it, err)
	}
}

// lost is for writes whose outcome the remote did not tell.
func (p *Pusher) lost(s *stream, it *item, err *connector.Error) {
	if err == nil {
		err = &connector.Error{Class: connector.ClassTransient, Message: "the remote did not say what became of the record", Said: schema.Say("outcome_unknown")}
	}
	delay := s.Settle
	if it.link.Outstanding() {
		delay = max(delay, p.backOff(it, err))
	}
	p.settle(it, link.Lost(it.link.ID, max(delay, err.RetryAfter), causeOf(err)), "unknown")
}

// faulty is for items that have no record.
func (p *Pusher) faulty(s *stream, it *item) {
	var missing *mapping.MissingLink
	var violations schema.Violations
	switch {
	case errors.As(it.fault, &missing):
		p.wait(s, it, missing)
	case errors.As(it.fault, &violations):
		p.unmapped(s, it, link.Cause{Class: "mapping", Message: "the mapping cannot make a record of it", Said: schema.Say("unmapped"), Violations: violations})
	default:
		p.unmapped(s, it, link.Cause{Class: "mapping", Message: it.fault.Error()})
	}
}

func (p *Pusher) wait(s *stream, it *item, missing *mapping.MissingLink) {
	for _, ref := range missing.Refs {
		if p.streams[ref.Entity] == nil {
			p.unmapped(s, it, link.Cause{
				Class: "link", Message: "it refers to a " + ref.Entity + ", which has no record and is not pushed to this connection",
				Remedy: "Link the " + ref.Entity + " by a pull, or push it too.", Said: schema.Say("refers_unpushed", ref.Entity),
			})
			return
		}
	}
	parent, err := uuid.Parse(missing.Refs[0].ID)
	if err != nil {
		p.unmapped(s, it, link.Cause{Class: "link", Message: "it refers to a " + missing.Refs[0].Entity + " by what is no id", Said: schema.Say("refers_to_no_id", missing.Refs[0].Entity)})
		return
	}
	it.waitsOn = missing.Refs[0]
	cause := link.Cause{Class: "link", Message: "waits for a " + it.waitsOn.Entity + " to get its record", Said: schema.Say("waits_for", it.waitsOn.Entity)}
	p.settle(it, link.Wait(it.link.ID, it.version, it.waitsOn.Entity, parent, p.backOff(it, nil), cause), "waiting")
}

// unmapped fails an item before anything was sent.
func (p *Pusher) unmapped(s *stream, it *item, cause link.Cause) {
	p.settle(it, link.Fail(it.link.ID, it.version, cause), "failed")
	p.bury(s, it, job.StageMapping, cause)
}

// fail is for what only a person or a newer version can help.
func (p *Pusher) fail(s *stream, it *item, err *connector.Error) {
	p.settle(it, link.Fail(it.link.ID, it.version, causeOf(err)), "failed")
	p.bury(s, it, job.StageRemote, causeOf(err))
}

func (p *Pusher) bury(s *stream, it *item, stage job.Stage, why link.Cause) {
	id := it.id
	var payload json.RawMessage
	if it.record != nil {
		payload, _ = json.Marshal(it.record) // it was encoded before
	} else if it.doc != nil {
		payload, _ = json.Marshal(it.doc) // decoded JSON
	}
	it.letter = &job.DeadLetter{
		ConnectionID: p.Connection, Direction: job.Push, Entity: s.Entity, EntityID: &id, RemoteID: it.remoteID,
		Stage: stage, Class: why.Class, Message: why.Message, Said: why.Said, Violations: why.Violations, Payload: payload, MappingVersion: s.Mapping.Version(),
	}
	p.Logger.Warn("not pushed", "entity", s.Entity, "entity_id", it.id, "version", it.version, "class", why.Class, "error", why.Message)
}

func (p *Pusher) done(it *item, remoteID, remoteVersion string) {
	p.settle(it, link.Done(it.link.ID, link.Agreed{
		Version: it.version, RemoteID: remoteID, RemoteVersion: remoteVersion, Snapshot: it.snapshot, Digest: it.digest,
	}), "linked")
}

func (p *Pusher) park(it *item, delay time.Duration, err *connector.Error) {
	p.settle(it, link.Park(it.link.ID, delay, causeOf(err)), "parked")
}

func (p *Pusher) release(it *item, err *connector.Error) {
	var cause *link.Cause
	if err != nil {
		c := causeOf(err)
		cause = &c
	}
	p.settle(it, link.Release(it.link, 0, cause), "released")
}

// settle decides. As long as an earlier create may be out, no outcome but success makes one forget it; and a record
// that was found is remembered with any.
func (p *Pusher) settle(it *item, o link.Outcome, result string) {
	if it.inDoubt() {
		o = o.InDoubt(p.times.last)
	}
	o = o.WithRecord(it.remoteID)
	it.outcome, it.result = &o, result
}

// inDoubt reports whether an earlier create may have made a record that nobody knows of.
func (it *item) inDoubt() bool { return it.link.Outstanding() && !it.lookedUp && it.remoteID == "" }

func causeOf(err *connector.Error) link.Cause {
	return link.Cause{Class: string(err.Class), Code: err.Code, Message: err.Message, Remedy: err.Remedy, Said: err.Said}
}

// backOff doubles with each attempt, within bounds and with some chance, so that what failed together is not tried
// together. It respects what the remote asks for.
func (p *Pusher) backOff(it *item, err *connector.Error) time.Duration {
	d := p.times.last
	if it.link.Attempts < 30 {
		d = min(d, p.times.first<<it.link.Attempts)
	}
	d = time.Duration(float64(d) * (0.8 + 0.4*rand.Float64())) //nolint:gosec // chance, no secret
	if err != nil {
		d = max(d, err.RetryAfter)
	}
	return d
}
