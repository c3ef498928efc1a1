package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

const storeAttempts = 5

// storePage stores a page with the position after it and the run's counts, all or nothing. What only the moment
// forbade (a deadlock, a link made meanwhile, a server that restarts) is tried again.
func (p *passing) storePage(ctx context.Context, page *page, next position) error {
	wait, readAgain := p.Backoff, 0
	for attempt := 1; ; attempt++ {
		var counts job.Counts
		var old []*item
		err := p.DB.As(ctx, p.who, func(tx pgx.Tx) (err error) {
			if counts, err = p.apply(ctx, tx, page.items, &p.task.ID); err != nil {
				return err
			}
			if old = p.outdated(page.items); len(old) > 0 && readAgain < mostReadAgain {
				return errOutdated
			}
			counts.Read, counts.Expected = int64(page.read), page.expected
			return p.advance(ctx, tx, counts, next)
		})
		if err == nil {
			p.count(counts)
			return nil
		}
		if errors.Is(err, errOutdated) {
			readAgain++
			attempt--
			if err := p.readAgain(ctx, page, old); err != nil {
				return err
			}
			continue
		}
		if errors.Is(err, job.ErrCancelled) || errors.Is(err, job.ErrPaused) || errors.Is(err, job.ErrLost) || ctx.Err() != nil || attempt == storeAttempts {
			return fmt.Errorf("store a page of %s: %w", p.kind, err)
		}
		p.log.WarnContext(ctx, "a page was not stored and is stored again", "attempt", attempt, "wait", wait, "error", err)
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
		wait *= 2
	}
}

func (s *stream) count(c job.Counts) {
	for result, n := range map[string]int64{"created": c.Created, "updated": c.Updated, "unchanged": c.Unchanged, "failed": c.Failed} {
		s.records.WithLabelValues(s.connection.Code, string(s.kind), result).Add(float64(n))
	}
}

// apply brings mapped items into the store, and says how many became what.
func (s *stream) apply(ctx context.Context, tx pgx.Tx, items []*item, run *uuid.UUID) (job.Counts, error) {
	if err := link.LockStream(ctx, tx, s.connection.ID, string(s.kind)); err != nil {
		return job.Counts{}, err
	}
	if err := s.mapAgain(ctx, tx, items); err != nil {
		return job.Counts{}, err
	}
	for _, it := range items {
		it.reset()
	}
	if err := s.match(ctx, tx, sound(items)); err != nil {
		return job.Counts{}, err
	}
	stored, err := s.entities(ctx, tx, sound(items))
	if err != nil {
		return job.Counts{}, err
	}
	if err := s.markErased(ctx, tx, sound(items)); err != nil {
		return job.Counts{}, err
	}
	var writes []*item
	for _, it := range sound(items) {
		if it.held {
			continue
		}
		var old crm.Entity
		if it.link != nil {
			old = stored[it.link.EntityID]
		}
		if s.merge(it, old); it.fault == nil && it.result != unchanged {
			writes = append(writes, it)
		}
	}
	if err := s.write(ctx, tx, writes); err != nil {
		return job.Counts{}, err
	}
	if err := s.acknowledge(ctx, tx, sound(items)); err != nil {
		return job.Counts{}, err
	}
	if err := s.noteEvents(ctx, tx, items, run); err != nil {
		return job.Counts{}, err
	}
	return s.report(ctx, tx, items, run)
}

// markErased finds out which of the items are of entities that were erased at somebody's request.
func (s *stream) markErased(ctx context.Context, tx pgx.Tx, items []*item) error {
	var ids []uuid.UUID
	for _, it := range items {
		if it.link != nil {
			ids = append(ids, it.link.EntityID)
		}
	}
	erased, err := s.Entities.Erased(ctx, tx, s.kind, ids)
	if err != nil {
		return err
	}
	for _, it := range items {
		it.erased = it.link != nil && erased[it.link.EntityID]
	}
	return nil
}

// mapAgain maps what referred to something not linked then, with what is linked now.
func (s *stream) mapAgain(ctx context.Context, tx pgx.Tx, items []*item) error {
	var waiting []*item
	for _, it := range items {
		if _, ok := errors.AsType[*mapping.MissingLink](it.err); ok {
			waiting = append(waiting, it)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	links, err := s.referred(ctx, tx, waiting)
	if err != nil {
		return err
	}
	s.mapAll(waiting, links)
	return nil
}

// reset undoes what an earlier attempt to store the item did to it.
func (it *item) reset() {
	it.held, it.erased, it.link, it.merged, it.was, it.saved, it.result, it.fault = false, false, nil, nil, nil, nil, unchanged, nil
	if it.err != nil {
		it.fault = mappingFault(it.err)
	}
	if it.entity != nil {
		*crm.HeadOf(it.entity) = crm.Head{}
	}
}

// sound are the items without a fault.
func sound(items []*item) []*item {
	some := make([]*item, 0, len(items))
	for _, it := range items {
		if it.fault == nil {
			some = append(some, it)
		}
	}
	return some
}

// write saves and deletes entities. One that the store refuses gets a fault; its neighbours are written.
func (s *stream) write(ctx context.Context, tx pgx.Tx, items []*item) error {
	var saves []*item
	for _, it := range items {
		if !it.record.Deleted {
			saves = append(saves, it)
			continue
		}
		h := crm.HeadOf(it.saved)
		err := savepoint(ctx, tx, func(tx pgx.Tx) (err error) {
			it.saved, err = s.Entities.Delete(ctx, tx, s.by, s.kind, h.ID, h.Version)
			return err
		})
		if err := it.refuse(err); err != nil {
			return err
		}
	}
	return s.save(ctx, tx, saves)
}

// save saves all at once and, if that is refused, half of them at a time until those at fault are found.
func (s *stream) save(ctx context.Context, tx pgx.Tx, items []*item) error {
	if len(items) == 0 {
		return nil
	}
	batch := make([]crm.Entity, len(items))
	for i, it := range items {
		batch[i] = it.saved
	}
	err := savepoint(ctx, tx, func(tx pgx.Tx) error { return s.Entities.Save(ctx, tx, s.by, batch) })
	if err == nil || len(items) == 1 {
		return items[0].refuse(err)
	}
	if !refusal(err) {
		return err
	}
	half := len(items) / 2
	if err := s.save(ctx, tx, items[:half]); err != nil {
		return err
	}
	return s.save(ctx, tx, items[half:])
}

// refuse turns what the store has against an item into its fault; another error it returns.
func (it *item) refuse(err error) error {
	if err == nil || !refusal(err) {
		return err
	}
	it.fault = &fault{stage: job.StageStore, class: "data", err: err}
	return nil
}

// refusal reports whether err is about the entity, not about the database.
func refusal(err error) bool {
	var vs schema.Violations
	code, _ := postgres.ErrorCode(err)
	return errors.As(err, &vs) || errors.Is(err, crm.ErrNotFound) || errors.Is(err, crm.ErrStale) ||
		strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23") // data exception, integrity constraint violation
}

func savepoint(ctx context.Context, tx pgx.Tx, fn func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, tx, fn)
}

// acknowledge links records and entities and notes conflicts.
func (s *stream) acknowledge(ctx context.Context, tx pgx.Tx, items []*item) error {
	var pulled []link.Pulled
	var merged []*item
	var err error
	for _, it := range items {
		if it.saved == nil {
			continue
		}
		if it.settled() {
			continue
		}
		snapshot := it.base
		if it.result != created || it.numbered() {
			if snapshot, err = s.snapshot(it); err != nil {
				return err
			}
		}
		h := crm.HeadOf(it.saved)
		pulled = append(pulled, link.Pulled{
			EntityID: h.ID, RemoteID: it.record.ID, RemoteVersion: it.record.Version, Version: h.Version,
			Snapshot: snapshot, Push: it.merged.Push,
		})
		merged = append(merged, it)
	}
	if err = link.AcknowledgePulled(ctx, tx, s.connection.ID, string(s.kind), pulled); err != nil {
		return err
	}
	return s.noteConflicts(ctx, tx, merged)
}

// numbered reports whether the store gave a new entity the number or code that the record left out.
func (it *item) numbered() bool {
	for _, key := range []string{"code", "number"} {
		if v, has := it.agreed.Fields[key]; has && (v == nil || v == "") {
			return true
		}
	}
	return false
}

// snapshot is what both sides agree on after the item was saved.
func (s *stream) snapshot(it *item) ([]byte, error) {
	if it.result == created {
		whole, err := crm.Document(it.saved)
		if err != nil {
			return nil, err
		}
		err = s.agreeOnNew(it, whole)
		it.merged = it.agreed
		return it.base, err
	}
	return json.Marshal(it.merged.Snapshot)
}

// report buries what failed, resolves what succeeded, and counts.
func (s *stream) report(ctx context.Context, tx pgx.Tx, items []*item, run *uuid.UUID) (c job.Counts, err error) {
	var letters []job.DeadLetter
	held := 0
	done := job.Things{ConnectionID: s.connection.ID, Direction: job.Pull, Entity: string(s.kind)}
	for _, it := range items {
		if it.fault != nil {
			d, err := s.letter(it, run)
			if err != nil {
				return c, err
			}
			letters = append(letters, d)
			c.Failed++
			continue
		}
		done.IDs = append(done.IDs, it.record.ID) // a held one's proposal has its newest state
		if it.held {
			held++
		}
		switch it.result {
		case created:
			c.Created++
		case updated:
			c.Updated++
		default:
			c.Unchanged++
		}
	}
	if err := errors.Join(job.Bury(ctx, tx, letters), job.Resolve(ctx, tx, done)); err != nil || run == nil {
		return c, err
	}
	told := lines(letters)
	if held > 0 {
		told = append(told, job.Line{
			Level: job.Info, Message: fmt.Sprintf("%d records wait until somebody has reviewed the matching of %s.", held, s.kind), Said: schema.Say("held_by_matching", held, s.kind),
		})
	}
	return c, job.Log(ctx, tx, *run, told...)
}
