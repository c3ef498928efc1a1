package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/sheet"
)

// exportPage is how many entities are read at once.
const exportPage = 1000

// export writes a list to its file. All pages are read by one transaction from one snapshot, so that what changes
// meanwhile is in it once; having written nothing, it holds up nobody. The file and the counts are written by others.
// An export whose worker died begins again.
func (r *Runner) export(ctx context.Context, t *task) error {
	e := t.exported
	err := r.DB.As(ctx, t.who(), func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `delete from export_chunks where export_id = $1`, e.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("begin export %s: %w", e.ID, err)
	}
	targets, err := outOf(e.Entity, e.Columns)
	if err != nil {
		return err
	}
	file := &chunkWriter{ctx: ctx, db: r.DB, who: t.who(), to: exportChunks, id: e.ID}
	w, err := sheet.NewWriter(file, e.Format, columnsOf(targets))
	if err != nil {
		return fmt.Errorf("begin export %s: %w", e.ID, err)
	}
	err = r.DB.As(ctx, t.who(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set transaction isolation level repeatable read, read only"); err != nil {
			return err
		}
		return r.exportPages(ctx, tx, t, targets, w)
	})
	if err == nil {
		err = errors.Join(w.Close(), file.Close())
	} else {
		_ = w.Close() // for its temporary file
	}
	e.Size = file.size
	if err != nil {
		return fmt.Errorf("export %s: %w", e.ID, err)
	}
	return nil
}

func (r *Runner) exportPages(ctx context.Context, tx pgx.Tx, t *task, targets []target, w sheet.Writer) error {
	e := t.exported
	q := e.Query
	q.Limit = exportPage
	var written int64
	for {
		page, err := r.Entities.List(ctx, tx, e.Entity, q)
		if err != nil {
			return err
		}
		rows, err := r.rowsOf(ctx, tx, targets, page.Items)
		if err != nil {
			return err
		}
		for _, cells := range rows {
			if err := w.Write(cells); err != nil {
				return err
			}
		}
		written += int64(len(rows))
		if err := r.advanceExport(ctx, t, written); err != nil {
			return err
		}
		if page.Next == "" {
			return nil
		}
		q.After = page.Next
	}
}

func (r *Runner) advanceExport(ctx context.Context, t *task, written int64) error {
	var cancel bool
	err := r.DB.As(ctx, t.who(), func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `update exports set rows = $3, progress_at = now() where id = $1 and worker = $2 and status = 'running'
			returning cancel_requested`, t.exported.ID, t.worker, written).Scan(&cancel)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return errLost
	case err == nil && cancel:
		return errCancel
	}
	return err
}

func columnsOf(targets []target) []sheet.Column {
	types := map[string]sheet.Type{
		"number": sheet.Number, "integer": sheet.Number, "date": sheet.Date, "instant": sheet.Instant, "boolean": sheet.Boolean,
	}
	columns := make([]sheet.Column, len(targets))
	for i, t := range targets {
		columns[i] = sheet.Column{Name: t.path, Type: types[t.field.Type]}
	}
	return columns
}

// rowsOf are the rows of entities: one each, or one for every item of the list that the columns show.
func (r *Runner) rowsOf(ctx context.Context, tx pgx.Tx, targets []target, entities []crm.Entity) ([][]string, error) {
	list := ""
	for _, t := range targets {
		if t.list != "" {
			list = t.list
		}
	}
	docs := make([]map[string]any, len(entities))
	for i, e := range entities {
		doc, err := crm.Document(e)
		if err != nil {
			return nil, err
		}
		docs[i] = doc
	}
	names, err := r.names(ctx, tx, targets, docs)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, doc := range docs {
		for _, line := range linesOf(doc, list) {
			cells := make([]string, len(targets))
			for i, t := range targets {
				from := doc
				if t.list != "" {
					from = line
				}
				cells[i] = textAt(from, t.steps)
				if t.kind != "" && t.by != "id" {
					cells[i] = names[t.kind][cells[i]][t.by]
				}
			}
			rows = append(rows, cells)
		}
	}
	return rows, nil
}

// linesOf are the items of a document's list, or one that has nothing.
func linesOf(doc map[string]any, list string) []map[string]any {
	items, _ := doc[list].([]any)
	if len(items) == 0 {
		return []map[string]any{nil}
	}
	lines := make([]map[string]any, len(items))
	for i, item := range items {
		lines[i], _ = item.(map[string]any)
	}
	return lines
}

func textAt(doc map[string]any, steps []string) string {
	for _, step := range steps[:len(steps)-1] {
		doc, _ = doc[step].(map[string]any)
	}
	switch v := doc[steps[len(steps)-1]].(type) {
	case nil:
		return ""
	case string:
		return v
	case []any:
		texts := make([]string, len(v))
		for i := range v {
			texts[i] = fmt.Sprint(v[i])
		}
		return strings.Join(texts, ", ")
	default: // a number, a word, or whatever a custom field holds
		b, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(b)
	}
}

// names are the natural keys of what documents refer to: by kind, id and key.
func (r *Runner) names(ctx context.Context, tx pgx.Tx, targets []target, docs []map[string]any) (map[crm.Kind]map[string]map[string]string, error) {
	wanted := make(map[crm.Kind]map[uuid.UUID]bool)
	keys := make(map[crm.Kind][]string)
	for _, t := range targets {
		if t.kind == "" || t.by == "id" {
			continue
		}
		keys[t.kind] = append(keys[t.kind], t.by)
		if wanted[t.kind] == nil {
			wanted[t.kind] = make(map[uuid.UUID]bool)
		}
		for _, doc := range docs {
			lines := []map[string]any{doc}
			if t.list != "" {
				lines = linesOf(doc, t.list)
			}
			for _, line := range lines {
				if id, err := uuid.Parse(textAt(line, t.steps)); err == nil {
					wanted[t.kind][id] = true
				}
			}
		}
	}
	names := make(map[crm.Kind]map[string]map[string]string, len(wanted))
	for kind, set := range wanted {
		ids := make([]uuid.UUID, 0, len(set))
		for id := range set {
			ids = append(ids, id)
		}
		found, err := r.Entities.Get(ctx, tx, kind, ids)
		if err != nil {
			return nil, err
		}
		names[kind] = make(map[string]map[string]string, len(found))
		for id, e := range found {
			of := make(map[string]string)
			for _, key := range keys[kind] {
				of[key] = crm.Text(e, key)
			}
			names[kind][id.String()] = of
		}
	}
	return names, nil
}
