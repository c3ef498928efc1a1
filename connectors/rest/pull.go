package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"crmhub/core/connector"
)

// cursor is what Pull hands back and takes. Between runs only Since is set.
type cursor struct {
	Since *time.Time `json:"since,omitempty"` // everything that changed before has been read, but for the overlap
	High  *time.Time `json:"high,omitempty"`  // the newest change the run has seen
	Begun *time.Time `json:"begun,omitempty"` // the remote's clock at the run's start
	Place *place     `json:"place,omitempty"` // nil between runs
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
				Class: connector.ClassConfig, Message: "the cursor is not one of this connector's", Err: err, Remedy: "Start the pull anew.",
			}
		}
	}
	if at.Place == nil {
		at.Place = &place{Limit: st.pull.size(r.Limit)}
	}
	return s.pullPage(ctx, st, at, r)
}

func (p *pullPlan) size(wished int) int {
	if wished <= 0 || p.page.size > 0 && wished > p.page.size {
		return p.page.size
	}
	return wished
}

func (s *session) pullPage(ctx context.Context, st *stream, at cursor, r connector.PullRequest) (connector.Page, error) {
	p := st.pull
	sc := &scope{fields: st.fields}
	p.page.show(at.Place, sc)
	if p.overlap != nil && at.Since != nil {
		since := at.Since.Add(-*p.overlap)
		sc.since = &since
	}
	if ranged := !r.Since.IsZero() || !r.Until.IsZero(); ranged && p.overlap == nil {
		return connector.Page{}, unable(st, "pull a range of")
	}
	if !r.Since.IsZero() {
		sc.since = &r.Since
	}
	if !r.Until.IsZero() {
		sc.until = &r.Until
	}
	a, f := s.doTo(ctx, p.call, sc, at.Place.Next, "")
	if f != nil {
		return connector.Page{}, f.err
	}
	list, err := rows(a.body, p.records, p.columns)
	if err != nil {
		return connector.Page{}, err
	}
	page := connector.Page{Records: make([]connector.Record, 0, len(list))}
	for _, row := range list {
		record, err := st.toRecord(row)
		if err != nil {
			return connector.Page{}, err
		}
		// Most remotes know since only, and some to the second or the day.
		if !record.UpdatedAt.IsZero() && (record.UpdatedAt.Before(r.Since) || !r.Until.IsZero() && !record.UpdatedAt.Before(r.Until)) {
			continue
		}
		page.Records = append(page.Records, record)
	}
	if p.total != nil {
		v, _ := p.total.in(a.body)
		str, _ := text(v) // a value of another kind is no count
		if n, err := strconv.ParseInt(str, 10, 64); err == nil {
			page.Expected = n
		}
	}
	next, err := p.page.follow(*at.Place, a, list, s.plan.auth.bare)
	if err != nil {
		return connector.Page{}, err
	}
	at.see(a, page.Records)
	page.More = next != nil
	if at.Place = next; next == nil {
		at = at.finish(p.overlap != nil)
	}
	page.Cursor, err = json.Marshal(at)
	return page, err
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
