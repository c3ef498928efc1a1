package pull

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
)

// mostReadAgain is how often records are read again before they are taken as they are: somebody may change one all the time.
const mostReadAgain = 3

// errOutdated gives up the transaction of a page of which records have to be read again.
var errOutdated = errors.New("records were sent while they were read")

const selectClock = `select clock_timestamp()`

// clock is the database's, by which links are written.
func (s *stream) clock(ctx context.Context) (now time.Time, err error) {
	err = s.DB.As(ctx, s.who, func(tx pgx.Tx) error { return tx.QueryRow(ctx, selectClock).Scan(&now) })
	if err != nil {
		return now, fmt.Errorf("read the database's clock: %w", err)
	}
	return now, nil
}

// outdated are the items whose record a push may have changed after it was read: merged as they are, they would turn back what
// was sent.
func (p *passing) outdated(items []*item) (some []*item) {
	if p.getter == nil {
		return nil
	}
	for _, it := range items {
		l := it.link
		sent := l != nil && l.SentAt != nil && !it.asked.IsZero() && !l.UpdatedAt.Before(it.asked)
		if sent && !it.held && (it.saved == nil || it.merged == nil || !it.settled()) {
			some = append(some, it)
		}
	}
	return some
}

// readAgain reads the records of some of a page's items one by one, and maps them. What is gone by now leaves the page.
func (p *passing) readAgain(ctx context.Context, page *page, some []*item) error {
	asked, err := p.clock(ctx)
	if err != nil {
		return err
	}
	gone := map[*item]bool{}
	for _, it := range some {
		record, err := p.getter.Get(ctx, p.mapping.Record(), it.record.ID)
		if err != nil {
			remote := connector.AsError(err)
			if ctx.Err() == nil {
				p.failed(ctx, remote)
			}
			return fmt.Errorf("read a record of %s again: %w", p.mapping.Record(), remote)
		}
		if record == nil {
			gone[it] = true
			continue
		}
		it.record, it.asked = storable(*record), asked
	}
	page.items = slices.DeleteFunc(page.items, func(it *item) bool { return gone[it] })
	some = slices.DeleteFunc(some, func(it *item) bool { return gone[it] })
	links, err := p.referred(ctx, nil, some)
	if err != nil {
		return err
	}
	p.mapAll(some, links)
	return nil
}
