package console

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/attachment"
	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/schema"
)

const (
	// attachmentsField is what rules of roles call the files of a record: a file may show what they hide of it.
	attachmentsField = "attachments"

	maxAttachment   = 50 << 20 // bytes
	mostAttachments = 50
)

// filesPart is the card of a record's files; nil where the visitor does not see them.
type filesPart struct {
	Path    string // of the record
	Items   []fileRow
	CanEdit bool
}

type fileRow struct {
	attachment.File
	Who string
}

// files are those of a record, as far as the visitor may know.
func (v *visit) files(ctx context.Context, tx pgx.Tx, p *recordPage) (*filesPart, error) {
	r := p.View.resource()
	if v.who.Hides(r, attachmentsField) {
		return nil, nil //nolint:nilnil // no card
	}
	found, err := attachment.List(ctx, tx, attachment.Owner{Entity: string(p.View.kind), ID: p.ID}, uuid.Nil, mostAttachments)
	if err != nil {
		return nil, err
	}
	f := &filesPart{Path: p.Path, CanEdit: !p.Deleted && v.permitAttaching(p.Entity) == nil}
	for _, file := range found {
		f.Items = append(f.Items, fileRow{file, v.actor(file.CreatedBy, p.names)})
	}
	return f, nil
}

// permitAttaching refuses who may not add to the files of a record, or take from them.
func (v *visit) permitAttaching(e crm.Entity) error {
	if err := edit.Permit(v.who, e, access.Update); err != nil {
		return err
	}
	if v.who.Field(access.Resource(e.Kind()), attachmentsField) != access.FieldEdit {
		return errForbidden
	}
	return nil
}

// attach takes a file in, as it comes, and adds it to a record.
func (c *Console) attach(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		id, err := v.id(crm.ErrNotFound)
		if err != nil {
			return err
		}
		permit := func(tx pgx.Tx) error {
			e, err := v.stored(ctx, tx, w, id)
			if err != nil {
				return err
			}
			return v.permitAttaching(e)
		}
		if err := v.as(ctx, permit); err != nil {
			return err // before the file has come
		}
		refuse := func(key string) error {
			return c.writeRecord(ctx, v, w, schema.Violations{{Pointer: "/file", Rule: "attachment", Message: v.say(key)}})
		}
		u, err := v.receive()
		if err != nil {
			return err
		}
		name := strings.TrimSpace(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || r == '/' || r == '\\' {
				return -1
			}
			return r
		}, strings.ToValidUTF8(u.name, "")))
		if name == "" {
			return refuse("import.no_file")
		}
		if runes := []rune(name); len(runes) > 300 {
			name = string(runes[:300])
		}
		received, err := attachment.Receive(u)
		if isTooLarge(err) {
			return refuse("files.too_large")
		}
		if err != nil {
			return err
		}
		defer received.Close()
		if received.Size > maxAttachment {
			return refuse("files.too_large")
		}
		err = v.as(ctx, func(tx pgx.Tx) error {
			if err := permit(tx); err != nil {
				return err
			}
			_, err := attachment.Add(ctx, tx, attachment.Owner{Entity: string(w.kind), ID: id}, name, received)
			return err
		})
		if err != nil {
			return err
		}
		return v.done(w.path()+"/"+id.String(), "attached")
	}
}

// detach deletes a file of a record for good.
func (c *Console) detach(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		id, err := v.id(crm.ErrNotFound)
		if err != nil {
			return err
		}
		file, err := uuid.Parse(v.r.PathValue("file"))
		if err != nil {
			return attachment.ErrNotFound
		}
		err = v.as(ctx, func(tx pgx.Tx) error {
			f, err := attachment.Get(ctx, tx, file)
			if err != nil {
				return err
			}
			if f.Entity != string(w.kind) || f.EntityID != id {
				return attachment.ErrNotFound
			}
			e, err := v.stored(ctx, tx, w, id)
			if err != nil {
				return err
			}
			if err := v.permitAttaching(e); err != nil {
				return err
			}
			return attachment.Delete(ctx, tx, f)
		})
		if errors.Is(err, attachment.ErrNotFound) {
			return crm.ErrNotFound
		}
		if err != nil {
			return err
		}
		return v.done(w.path()+"/"+id.String(), "detached")
	}
}

// printable reports whether the API has a kind as PDF, and shows all of it to the visitor: it refuses a paper with holes.
func (v *visit) printable(k crm.Kind) bool {
	return (k == crm.KindOrder || k == crm.KindInvoice) && len(v.who.Blind(access.Resource(k))) == 0
}
