package console

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/audit"
	"crmhub/core/crm"
	"crmhub/core/sheet"
	"crmhub/core/transfer"
)

// exportsPage is the data of the page that lists exports.
type exportsPage struct {
	pager
	Items []exportRow
}

// exportRow is an export as a page shows it.
type exportRow struct {
	transfer.Export
	Who   string
	About string // what of the list it has
}

// Open reports whether it is still being written.
func (r exportRow) Open() bool { return r.Status == transfer.Running }

// Ready reports whether its file can be had.
func (r exportRow) Ready() bool { return r.Status == transfer.Done }

// exportList makes a file of what a list shows: the same filters, order and columns, in the background.
func (c *Console) exportList(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		format := sheet.Format(v.r.PostFormValue("format"))
		asked, err := url.ParseQuery(v.r.PostFormValue("query"))
		if err != nil || format != sheet.CSV && format != sheet.XLSX {
			return errAddress
		}
		if v.who.May(w.resource(), access.Read) == "" {
			return errForbidden
		}
		var e transfer.Export
		err = v.as(ctx, func(tx pgx.Tx) error {
			fields, err := v.fields(ctx, tx, w.kind)
			if err != nil {
				return err
			}
			q, err := v.query(firsts(asked), fields)
			if err != nil {
				return err
			}
			e, err = v.export(ctx, tx, w, q, v.exportColumns(w, fields, asked), format, asked)
			return err
		})
		if err != nil {
			return err
		}
		return v.done("/exports/"+e.ID.String(), "exporting")
	}
}

// export asks for a file of what a query finds, as far as the visitor may export it, and says so in the audit trail.
func (v *visit) export(ctx context.Context, tx pgx.Tx, w view, q crm.Query, columns []string, format sheet.Format, asked url.Values) (transfer.Export, error) {
	q.Owners, q.Blind = v.who.Owners(w.resource(), access.Export), v.who.Blind(w.resource())
	e, err := v.console.transfers.Export(ctx, tx, v.console.CRM, transfer.NewExport{Entity: w.kind, Query: q, Columns: columns, Format: format})
	if err != nil {
		return e, err
	}
	filter := filterIn(asked)
	return e, audit.Record(ctx, tx, audit.Act{
		Action: "exported", Entity: string(w.kind), Detail: map[string]any{"export": e.ID, "filter": filter, "q": q.Text, "columns": e.Columns},
	})
}

// exportColumns are the columns that the list shows, as files name them: what something refers to by its natural key, which
// people can read and imports find again.
func (v *visit) exportColumns(w view, fields []field, asked url.Values) []string {
	var columns []string
	paths := transfer.Paths(w.kind)
	for _, name := range v.shownColumns(w, asked) {
		i := slices.IndexFunc(fields, func(f field) bool { return f.Name == name })
		if i < 0 || v.who.Hides(w.resource(), name) {
			continue
		}
		f := fields[i]
		if f.custom() {
			name = "ext/" + name[len(customPrefix):]
		} else if f.Refers != "" && f.Refers != user {
			if keys := crm.Keys(f.Refers); len(keys) > 0 {
				name += "/" + keys[0]
			}
		}
		if f.custom() || f.Head || slices.Contains(paths, name) {
			columns = append(columns, name)
		}
	}
	return columns
}

func (c *Console) listExports(ctx context.Context, v *visit) error {
	after := v.r.URL.Query().Get("after")
	var p exportsPage
	err := v.as(ctx, func(tx pgx.Tx) error {
		known, err := v.everybody(ctx, tx)
		if err != nil {
			return err
		}
		found, err := c.transfers.ListExports(ctx, tx, transfer.SightOf(v.who, access.Export), after, pageSize)
		for _, e := range found.Items {
			p.Items = append(p.Items, exportRow{Export: e, Who: v.actor(e.CreatedBy, known)})
		}
		p.pager = pagerOf(from("/exports"), after, found.Next)
		return err
	})
	if err != nil {
		return err
	}
	return v.show("exports", p)
}

// exportIn reads the export that the address names, if the visitor sees it.
func (v *visit) exportIn(ctx context.Context, tx pgx.Tx) (r exportRow, err error) {
	id, err := v.id(transfer.ErrNotFound)
	if err != nil {
		return r, err
	}
	r.Export, err = v.console.transfers.GetExport(ctx, tx, id)
	if err == nil && !transfer.SightOf(v.who, access.Export).Sees(r.Entity, r.CreatedBy) {
		return r, transfer.ErrNotFound
	}
	return r, err
}

func (c *Console) showExport(ctx context.Context, v *visit) error {
	var r exportRow
	err := v.as(ctx, func(tx pgx.Tx) (err error) {
		if r, err = v.exportIn(ctx, tx); err != nil {
			return err
		}
		known, err := v.everybody(ctx, tx)
		r.Who = v.actor(r.CreatedBy, known)
		return err
	})
	if err != nil {
		return err
	}
	return v.show("export", r)
}

// followExport streams the export's progress, until it has ended.
func (c *Console) followExport(ctx context.Context, v *visit) error {
	return v.follow(ctx, liveEvery, func(ctx context.Context) (g glance, err error) {
		r, err := get(ctx, v, func(tx pgx.Tx) (exportRow, error) { return v.exportIn(ctx, tx) })
		if err != nil {
			return g, err
		}
		g.open = r.Open()
		g.fragment, err = c.render.render(v.lang, "export", "export-progress", r)
		return g, err
	})
}

func (c *Console) cancelExport(ctx context.Context, v *visit) error {
	var r exportRow
	err := v.as(ctx, func(tx pgx.Tx) (err error) {
		if r, err = v.exportIn(ctx, tx); err != nil {
			return err
		}
		_, err = c.transfers.CancelExport(ctx, tx, r.ID)
		return err
	})
	if err != nil {
		return err
	}
	return v.done("/exports/"+r.ID.String(), "export_cancelling")
}

func (c *Console) deleteExport(ctx context.Context, v *visit) error {
	err := v.as(ctx, func(tx pgx.Tx) error {
		r, err := v.exportIn(ctx, tx)
		if err != nil {
			return err
		}
		return c.transfers.DeleteExport(ctx, tx, r.ID)
	})
	if err != nil {
		return err
	}
	return v.done("/exports", "export_deleted")
}

func (c *Console) exportFile(ctx context.Context, v *visit) error {
	r, err := get(ctx, v, func(tx pgx.Tx) (exportRow, error) { return v.exportIn(ctx, tx) })
	if err != nil {
		return err
	}
	if len(r.Veiled(v.who)) > 0 {
		return errForbidden
	}
	from, err := c.transfers.File(ctx, c.DB, v.who.Principal, r.Export)
	if err != nil {
		return err
	}
	mediaType := "text/csv; charset=utf-8"
	if r.Format == sheet.XLSX {
		mediaType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	}
	return v.give(download{
		name: fmt.Sprintf("%s %s.%s", v.say("kinds."+string(r.Entity)), r.CreatedAt.Format(time.DateOnly), r.Format), mediaType: mediaType,
		send: func(w io.Writer) error {
			_, err := io.Copy(w, from)
			return err
		},
	})
}
