package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/schema"
	"crmhub/core/sheet"
)

// ChangeImport sets how the rows of an import become entities, before it runs. Another encoding, delimiter or header
// senses the columns anew. Errors: [schema.Violations], [ErrNotFound], [ErrStatus].
func (s *Store) ChangeImport(ctx context.Context, db *postgres.DB, who postgres.Principal, id uuid.UUID, c Change) (i Import, err error) {
	if i, err = postgres.Get(ctx, db, who, func(tx pgx.Tx) (Import, error) { return s.GetImport(ctx, tx, id) }); err != nil {
		return i, err
	}
	if i.Status != Uploaded && i.Status != Previewed {
		return i, &StatusError{"change", i.Status}
	}
	if err := s.apply(ctx, db, who, &i, c); err != nil {
		return i, err
	}
	err = db.As(ctx, who, func(tx pgx.Tx) error {
		i, err = oneImport(ctx, tx, `
			update imports i set status = 'uploaded', form = $2, columns = $3, defaults = $4, mode = $5, match_by = $6, group_by = $7, preview = null
			where i.id = $1 and i.status in ('uploaded', 'previewed') returning `+importColumns,
			id, i.Form, i.Columns, i.Defaults, i.Mode, i.MatchBy, i.GroupBy)
		return err
	})
	if errors.Is(err, ErrNotFound) { // it was there a moment ago
		return i, &StatusError{"change", Running}
	}
	return i, err
}

func (s *Store) apply(ctx context.Context, db *postgres.DB, who postgres.Principal, i *Import, c Change) error {
	form := i.Form
	if form.Format == sheet.CSV {
		set(&form.Encoding, c.Encoding)
		set(&form.Delimiter, c.Delimiter)
	}
	set(&form.Decimal, c.Decimal)
	set(&form.Header, c.Header)
	marked := i.Form
	marked.Decimal = form.Decimal
	again := form != marked // by another decimal mark the columns stay what they were
	if i.Form = form; again {
		if err := form.Validate().Err(); err != nil {
			return err
		}
		if err := s.sense(ctx, db, who, i); err != nil {
			return err
		}
	}
	if c.Fields != nil {
		if len(*c.Fields) != len(i.Columns) {
			return schema.Violations{{Pointer: "/fields", Rule: "length", Message: fmt.Sprintf("must name a field, or none, for each of %d columns", len(i.Columns))}}
		}
		for n, f := range *c.Fields {
			i.Columns[n].Field = f
		}
		i.propose()
	}
	set(&i.Defaults, c.Defaults)
	set(&i.Mode, c.Mode)
	set(&i.MatchBy, c.MatchBy)
	set(&i.GroupBy, c.GroupBy)
	return i.check().Err()
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
