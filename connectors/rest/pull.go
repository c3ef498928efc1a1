package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// cursor is what Pull hands back and takes. Between runs only Since is set.
type cursor struct {
	Since *time.Time `json:"since,omitempty"` // everything that changed before has been read, but for the overlap
	High  *time.Time `json:"high,omitempty"`  // the newest change the run has seen
	Begun *time.Time `json:"begun,omitempty"` // the remote's clock at the run's start
	Place *place     `json:"place,omitempty"` // nil between runs

	TooMany bool `json:"too_many,omitempty"` // the list of changes did not tell all: this run reads the ordinary one
}

// Pull reads the next page.
func (s *session) Pull(ctx context.Context, r connector.PullRequest) (connector.Page, error) {
	st, err := s.stream(r.Stream)
	if err != nil {
		return connector.Page{}, err
	}
	if st.pull == nil {
		return connector.Page{}, unable(st, "pull")
	}
	var at cursor
	if len(r.Cursor) > 0 {
		d := json.NewDecoder(bytes.NewReader(r.Cursor))
		d.UseNumber()
		if err := d.Decode(&at); err != nil {
			return connector.Page{}, &connector.Error{
				Class: connector.ClassConfig, Message: "the cursor is not one of this connector's", Err: err, Remedy: "Start the pull anew.", Said: schema.Say("bad_cursor"),
			}
		}
	}
	if at.Place == nil {
		at.Place = st.pull.start(r.Limit)
	}
	if r.Resume {
		at.Place.Tries = 0
	}
	return s.pullPage(ctx, st, at, r)
}

// start is the place where a list begins.
func (p *pullPlan) start(wished int) *place {
	if wished <= 0 || p.page.size > 0 && wished > p.page.size {
		wished = p.page.size
	}
	if p.page.by == "offset" {
		wished = max(wished, 2) // pages of one cannot overlap by one
	}
	return &place{Limit: wished}
}

func (s *session) pullPage(ctx context.Context, st *stream, at cursor, r connector.PullRequest) (connector.Page, error) {
	p := st.pull
	byChanges := at.byChanges(p.changes)
	if byChanges {
		p = &p.changes.list
	}
	sc, err := p.scope(st, at, r)
	if err != nil {
		return connector.Page{}, err
	}
	a, f := s.doTo(ctx, p.call, sc, at.Place.Next, "")
	if f != nil && r.Resume && at.Place.begun() && f.refused() { // the place is known there no more
		at.Place, r.Resume = st.pull.start(r.Limit), false
		page, err := s.pullPage(ctx, st, at, r)
		page.Anew = true
		return page, err
	}
	if f != nil && (!p.missing || !gone(a, f)) {
		return connector.Page{}, f.err
	}
	var list []any
	if f == nil && !a.nothing() {
		if list, err = rows(a.body, p); err != nil {
			return connector.Page{}, err
		}
	}
	if byChanges && st.pull.changes.most > 0 && len(list) >= st.pull.changes.most {
		at.TooMany = true
		return s.pullPage(ctx, st, at, r)
	}
	var ids []string
	if p.page.by == "page" || p.page.by == "offset" {
		ids = st.ids(list)
	}
	if at.Place.torn(ids) && !r.Accept {
		if at.Place.back(); at.Place.Tries > mostTries {
			return connector.Page{}, unsteady(st)
		}
		page, err := s.pullPage(ctx, st, at, r)
		page.Anew = page.Anew || at.Place.Number == 0
		return page, err
	}
	page := connector.Page{Anew: at.Place.Again && at.Place.Number == 0, Expected: p.expected(a)}
	if page.Records, err = s.records(ctx, st, p, at.Place.unread(list, ids)); err != nil {
		return connector.Page{}, err
	}
	// Most remotes know since only, and some to the second or the day.
	page.Records = slices.DeleteFunc(page.Records, func(record connector.Record) bool {
		changed := record.UpdatedAt
		return !changed.IsZero() && (changed.Before(r.Since) || !r.Until.IsZero() && !changed.Before(r.Until))
	})
	next, err := p.page.follow(*at.Place, a, list, ids, s.plan.auth.bare)
	if err != nil {
		return connector.Page{}, err
	}
	if next == nil && p.page.by == "page" && !r.Accept {
		if next = at.Place.again(ids); next != nil && next.Tries > mostTries {
			return connector.Page{}, unsteady(st)
		}
	}
	at.see(a, page.Records)
	page.More = next != nil
	if at.Place = next; next == nil {
		at = at.finish(p.overlap != nil)
	}
	page.Cursor, err = json.Marshal(at)
	return page, err
}

// scope is what the request for a page can name.
func (p *pullPlan) scope(st *stream, at cursor, r connector.PullRequest) (*scope, error) {
	sc := &scope{fields: st.fields}
	p.page.show(at.Place, sc)
	if p.overlap == nil && (!r.Since.IsZero() || !r.Until.IsZero()) {
		return nil, unable(st, "pull a range of")
	}
	if !r.Since.IsZero() {
		sc.since = &r.Since
	} else if p.overlap != nil && at.Since != nil {
		since := at.Since.Add(-*p.overlap)
		sc.since = &since
	}
	if !r.Until.IsZero() {
		sc.until = &r.Until
	}
	return sc, nil
}

// expected is how many records the list has by what its answer says; 0 if it says nothing.
func (p *pullPlan) expected(a *answer) int64 {
	if p.total == nil {
		return 0
	}
	v, _ := p.total.in(a.body)
	str, _ := text(v) // a value of another kind is no count
	n, err := strconv.ParseInt(str, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// byChanges reports whether the list of changes tells what this run has to read.
func (c *cursor) byChanges(p *changesPlan) bool {
	first := c.Begun == nil // of the run
	return p != nil && c.Since != nil && first && !c.TooMany && (p.reach == 0 || time.Since(*c.Since) < p.reach)
}

// records reads the rows of a list, and what the list does not tell.
func (s *session) records(ctx context.Context, st *stream, p *pullPlan, list []any) ([]connector.Record, error) {
	if !p.whole {
		if f := s.relate(ctx, st, list); f != nil {
			return nil, f.err
		}
	}
	records := make([]connector.Record, 0, len(list))
	unreadable := 0
	for _, row := range list {
		record, err := st.toRecord(row)
		if record.Err = err; err != nil {
			if unreadable++; record.ID == "" || unreadable == len(list) { // of all: the manifest is at fault
				return nil, err
			}
		}
		records = append(records, record)
	}
	if !p.whole || len(records) == 0 {
		return records, nil
	}
	wholes, err := s.wholes(ctx, st, records)
	if err != nil {
		return nil, err
	}
	records = records[:0]
	for _, whole := range wholes {
		if whole != nil { // else it went since it was listed
			records = append(records, *whole)
		}
	}
	return records, nil
}

// wholes reads each record by get; those that are gone stay as listed.
func (s *session) wholes(ctx context.Context, st *stream, listed []connector.Record) ([]*connector.Record, error) {
	wholes := make([]*connector.Record, len(listed))
	if st.get.several {
		ids := make([]any, len(listed))
		for i, r := range listed {
			ids[i] = r.ID
		}
		found, err := s.getSeveral(ctx, st, ids)
		if err != nil {
			return nil, err
		}
		for i, r := range listed {
			wholes[i] = found[r.ID]
		}
		return wholes, nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.plan.limits.concurrency)
	for i, r := range listed {
		if r.Deleted {
			gone := r
			wholes[i] = &gone
			continue
		}
		g.Go(func() (err error) {
			wholes[i], err = s.Get(ctx, st.record, r.ID)
			return err
		})
	}
	return wholes, g.Wait()
}

func (c *cursor) see(a *answer, records []connector.Record) {
	if c.Begun == nil {
		begun := a.clock()
		c.Begun = &begun
	}
	for _, r := range records {
		if !r.UpdatedAt.IsZero() && (c.High == nil || r.UpdatedAt.After(*c.High)) {
			at := r.UpdatedAt
			c.High = &at
		}
	}
}

// finish is the cursor between runs. What changed after the run began may have been behind it, so the next run starts there at
// the latest; it never goes back, as clocks differ.
func (c cursor) finish(incremental bool) cursor {
	if !incremental {
		return cursor{}
	}
	since := c.High
	if since != nil && c.Begun.Before(*since) {
		since = c.Begun
	}
	if since == nil || c.Since != nil && c.Since.After(*since) {
		since = c.Since
	}
	return cursor{Since: since}
}
