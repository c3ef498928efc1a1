package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/schema"
	"crmhub/core/transfer"
)

// maxImport is how many bytes a file to import may have.
const maxImport = 1 << 30

// importsPage is the data of the page that lists imports and takes files in.
type importsPage struct {
	pager
	Kinds  []option // that the visitor may import
	Items  []importRow
	Fault  string // what is wrong with the file
	Chosen bool   // the form was sent
}

// importRow is an import as the list shows it.
type importRow struct {
	transfer.Import
	Who string
}

func (c *Console) listImports(ctx context.Context, v *visit) error {
	p := importsPage{Kinds: v.importable(v.r.URL.Query().Get("entity"))}
	return v.showImports(ctx, http.StatusOK, &p)
}

// importable are the kinds that the visitor may import, of which one is chosen.
func (v *visit) importable(chosen string) []option {
	var kinds []option
	for _, k := range crm.Kinds() {
		if v.who.May(access.Resource(k), access.Import) != "" {
			kinds = append(kinds, option{string(k), v.say("kinds." + string(k)), string(k) == chosen})
		}
	}
	return kinds
}

func (v *visit) showImports(ctx context.Context, status int, p *importsPage) error {
	after := v.r.URL.Query().Get("after")
	err := v.as(ctx, func(tx pgx.Tx) error {
		known, err := v.everybody(ctx, tx)
		if err != nil {
			return err
		}
		found, err := v.console.transfers.ListImports(ctx, tx, transfer.SightOf(v.who, access.Import), after, pageSize)
		if err != nil {
			return err
		}
		for _, i := range found.Items {
			p.Items = append(p.Items, importRow{i, v.actor(i.CreatedBy, known)})
		}
		p.pager = pagerOf(from("/imports"), after, found.Next)
		return nil
	})
	if err != nil {
		return err
	}
	v.here = "/imports"
	return v.write(status, "imports", p)
}

// uploadImport takes a file in, as it comes. Nothing is imported before its columns were looked at.
func (c *Console) uploadImport(ctx context.Context, v *visit) error {
	u, err := v.receive()
	if err != nil {
		return err
	}
	kind, err := crm.ParseKind(u.fields["entity"])
	if err != nil {
		return errAddress
	}
	if v.who.May(access.Resource(kind), access.Import) == "" {
		return errForbidden
	}
	p := importsPage{Kinds: v.importable(string(kind)), Chosen: true}
	name := strings.TrimSpace(u.name)
	if name == "" {
		p.Fault = v.say("import.no_file")
		return v.showImports(ctx, http.StatusUnprocessableEntity, &p)
	}
	if utf8.RuneCountInString(name) > 300 {
		name = string([]rune(name)[:300])
	}
	i, err := c.transfers.Upload(ctx, c.DB, v.who.Principal, kind, name, u)
	var vs schema.Violations
	switch {
	case errors.As(err, &vs):
		p.Fault = v.violation(vs[0], nil)
	case isTooLarge(err):
		p.Fault = v.say("import.too_large")
	case err != nil:
		return err
	default:
		return v.done("/imports/"+i.ID.String(), "uploaded")
	}
	return v.showImports(ctx, http.StatusUnprocessableEntity, &p)
}

func isTooLarge(err error) bool {
	_, ok := errors.AsType[*http.MaxBytesError](err)
	return ok
}

// importIn reads the import that the address names, if the visitor sees it.
func (v *visit) importIn(ctx context.Context, tx pgx.Tx) (transfer.Import, error) {
	id, err := v.id(transfer.ErrNotFound)
	if err != nil {
		return transfer.Import{}, err
	}
	i, err := v.console.transfers.GetImport(ctx, tx, id)
	if err == nil && !transfer.SightOf(v.who, access.Import).Sees(i.Entity, i.CreatedBy) {
		return i, transfer.ErrNotFound
	}
	return i, err
}

// beginImport asks for something to be done with an import in the background.
func (c *Console) beginImport(notice string, begin func(*transfer.Store, context.Context, pgx.Tx, uuid.UUID) (transfer.Import, error)) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		var i transfer.Import
		err := v.as(ctx, func(tx pgx.Tx) (err error) {
			if i, err = v.importIn(ctx, tx); err != nil {
				return err
			}
			_, err = begin(&c.transfers, ctx, tx, i.ID)
			return err
		})
		if err != nil {
			return c.writeImport(ctx, v, i, err)
		}
		return v.done("/imports/"+i.ID.String(), notice)
	}
}

// working reports whether an import is being worked on.
func working(s transfer.Status) bool {
	return slices.Contains([]transfer.Status{transfer.Previewing, transfer.Running, transfer.Undoing}, s)
}
