package console

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
	"crmhub/core/postgres"
)

// watchedEvery is how often what is watched is read while somebody watches it.
const watchedEvery = 2 * time.Second

// watched is what many look at together, each read once for all of them.
type watched struct {
	standing reading[uuid.UUID, standing]
	jobs     reading[uuid.UUID, []jobRow]
	letters  reading[watchedLetters, postgres.Page[deadLetterRow]]
	causes   reading[uuid.UUID, causesPage]
}

// watchedLetters is a list of dead letters that is watched.
type watchedLetters struct {
	organization uuid.UUID
	filter       job.LetterFilter
}

// look is what stood there a moment ago. It is read as whoever looks first, and shown to others of his organization: read must
// not depend on more than the permission that all of them have.
func look[K comparable, T any](ctx context.Context, v *visit, s *reading[K, T], what K, read func(context.Context, pgx.Tx) (T, error)) (T, error) {
	return s.get(ctx, what, func(ctx context.Context) (now T, err error) {
		err = v.as(ctx, func(tx pgx.Tx) (err error) {
			now, err = read(ctx, tx)
			return err
		})
		return now, err
	})
}

// followPart streams a part of a page as long as somebody watches.
func (v *visit) followPart(ctx context.Context, page, part string, data func(context.Context) (any, error)) error {
	return v.follow(ctx, watchedEvery, func(ctx context.Context) (glance, error) {
		now, err := data(ctx)
		if err != nil {
			return glance{}, err
		}
		html, err := v.console.render.render(v.lang, page, part, now)
		return glance{html, true}, err
	})
}
