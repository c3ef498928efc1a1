package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/audit"
	"crmhub/core/crm"
	"crmhub/core/schema"
	"crmhub/core/sheet"
	"crmhub/core/transfer"
)

// exportInput is a list, as its parameters say it, and a file to make of it.
type exportInput struct {
	Entity  string            `json:"entity" doc:"What to list." example:"order"`
	Filter  map[string]string `json:"filter,omitempty" doc:"As in lists: fields, with an operator in brackets if it is not equality."`
	Query   string            `json:"q,omitempty" doc:"As in lists: a text that occurs in the code, number or name."`
	Sort    string            `json:"sort,omitempty" doc:"As in lists; by id when left out."`
	Columns []string          `json:"columns,omitempty" maxItems:"200" doc:"Fields: name, lines/qty (a row for each line), customer_id/code (what it refers to, by a natural key); each with one value when left out."`
	Format  string            `json:"format" enum:"csv,xlsx"`
}

func (s *server) listExports() operation {
	return operation{
		id: "list-exports", needs: maySome(access.Export), tag: "exports", summary: "List exports", description: "Newest first. They are kept for seven days.", parameters: pageParameters(),
		status: http.StatusOK, result: jsonBody(s.document, list[transfer.Export]{Items: []transfer.Export{exportExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			return pageOf(ctx, s, c, c.sight(access.Export), s.Transfers.ListExports)
		},
	}
}

func (s *server) addExport() operation {
	return operation{
		id: "add-export", needs: maySome(access.Export), tag: "exports", summary: "Export a list",
		description: "In the background, as the caller: what he may not see is not in it. CSV comes in UTF-8 with a byte order mark, cells that a " +
			"spreadsheet would take for formulas behind an apostrophe; XLSX with typed cells.",
		body: jsonBody(s.document, exportInput{
			Entity: "order", Filter: map[string]string{"status": "confirmed", "total[ge]": "100"}, Sort: "-date",
			Columns: []string{"number", "date", "customer_id/code", "total"}, Format: "xlsx",
		}),
		status: http.StatusCreated, result: jsonBody(s.document, exportExample()), located: true, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[exportInput](c)
			if err != nil {
				return answer{}, err
			}
			kind, err := crm.ParseKind(in.Entity)
			if err != nil {
				return answer{}, schema.Violations{{Pointer: "/entity", Rule: "enum", Message: "must be one of " + strings.Join(kindNames(), ", ")}}
			}
			if err := c.permit(kind, access.Read, access.Export); err != nil {
				return answer{}, err
			}
			q, err := in.query()
			if err != nil {
				return answer{}, err
			}
			q.Owners, q.Blind = c.who.Owners(access.Resource(kind), access.Export), c.who.Blind(access.Resource(kind))
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				e, err := s.Transfers.Export(ctx, tx, s.CRM, transfer.NewExport{
					Entity: kind, Query: q.Query, Columns: in.Columns, Format: sheet.Format(in.Format),
				})
				if vs, ok := errors.AsType[schema.Violations](err); ok {
					return answer{}, q.inBody(vs)
				}
				if err != nil {
					return answer{}, err
				}
				err = audit.Record(ctx, tx, audit.Act{
					Action: "exported", Entity: string(kind), Detail: map[string]any{"export": e.ID, "filter": in.Filter, "q": in.Query, "columns": e.Columns},
				})
				if err != nil {
					return answer{}, err
				}
				return created("/exports", e.ID, e)
			})
		},
	}
}

// query reads the list's parameters as a list does.
func (in exportInput) query() (entityQuery, error) {
	values := url.Values{}
	for name, value := range in.Filter {
		switch name {
		case textParameter, sortParameter, limitParameter, afterParameter, fieldsParameter, expandParameter, teamParameter:
			return entityQuery{}, schema.Violations{{Pointer: "/filter/" + name, Rule: "field", Message: "is no field"}}
		}
		values.Set(name, value)
	}
	if in.Sort != "" {
		values.Set(sortParameter, in.Sort)
	}
	if in.Query != "" {
		values.Set(textParameter, in.Query)
	}
	q, faults := parseEntityQuery(values)
	return q, bodyFaults(faults).Err()
}

// inBody says of what the store found wrong where in the body it is.
func (q entityQuery) inBody(vs schema.Violations) schema.Violations {
	var all schema.Violations
	for _, v := range vs {
		if strings.HasPrefix(v.Pointer, "/columns") {
			all = append(all, v)
			continue
		}
		all = append(all, bodyFaults(q.faults(schema.Violations{v}))...)
	}
	return all
}

func bodyFaults(faults parameterFaults) schema.Violations {
	vs := make(schema.Violations, len(faults))
	for i, f := range faults {
		at := "/filter/" + schema.EscapePointer(f.Parameter)
		if f.Parameter == sortParameter {
			at = "/sort"
		}
		vs[i] = schema.Violation{Pointer: at, Rule: f.Rule, Message: f.Message}
	}
	return vs
}

func (s *server) getExport() operation {
	return operation{
		id: "get-export", needs: maySome(access.Export), tag: "exports", summary: "Get an export", description: "Its rows grow while it runs.",
		status: http.StatusOK, result: jsonBody(s.document, exportExample()),
		serve: func(ctx context.Context, c *call) (answer, error) {
			return ok(s.exportIn(ctx, c))
		},
	}
}

// exportIn reads the export that the path names, if the caller sees it.
func (s *server) exportIn(ctx context.Context, c *call) (e transfer.Export, err error) {
	id, err := c.id()
	if err != nil {
		return e, err
	}
	err = s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
		e, err = s.Transfers.GetExport(ctx, tx, id)
		return err
	})
	if err == nil && !c.sight(access.Export).Sees(e.Entity, e.CreatedBy) {
		err = notFound()
	}
	return e, err
}

func (s *server) cancelExport() operation {
	return operation{
		id: "cancel-export", needs: maySome(access.Export), tag: "exports", summary: "Cancel an export", description: "It ends after its page, without a file.",
		status: http.StatusOK, result: jsonBody(s.document, exportExample()), keyed: true, problems: []int{http.StatusConflict},
		serve: func(ctx context.Context, c *call) (answer, error) {
			e, err := s.exportIn(ctx, c)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				if e, err = s.Transfers.CancelExport(ctx, tx, e.ID); err != nil {
					return answer{}, err
				}
				return respond(http.StatusOK, e)
			})
		},
	}
}

func (s *server) deleteExport() operation {
	return operation{
		id: "delete-export", needs: maySome(access.Export), tag: "exports", summary: "Delete an export and its file", description: "One that runs must be cancelled before.",
		status: http.StatusNoContent, keyed: true, problems: []int{http.StatusConflict},
		serve: func(ctx context.Context, c *call) (answer, error) {
			e, err := s.exportIn(ctx, c)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				return answer{Status: http.StatusNoContent}, s.Transfers.DeleteExport(ctx, tx, e.ID)
			})
		},
	}
}

func (s *server) exportFile() operation {
	return operation{
		id: "get-export-file", needs: maySome(access.Export), tag: "exports", summary: "Get the file of an export",
		status: http.StatusOK, result: fileContent("number,total\r\nSO-2026-000001,24.99\r\n", csvType, xlsxType), problems: []int{http.StatusConflict},
		serve: func(ctx context.Context, c *call) (answer, error) {
			e, err := s.exportIn(ctx, c)
			if err != nil {
				return answer{}, err
			}
			if veiled := e.Veiled(c.who); len(veiled) > 0 {
				return answer{}, forbidden(c.route.needs, "The file has "+strings.Join(veiled, ", ")+", which you do not see any more.")
			}
			from, err := s.Transfers.File(ctx, s.DB, c.who.Principal, e)
			if err != nil {
				return answer{}, err
			}
			return answer{Status: http.StatusOK, file: &file{
				name: fmt.Sprintf("%s %s.%s", plural(e.Entity), e.CreatedAt.Format(time.DateOnly), e.Format), mediaType: tableType(e.Format),
				send: func(w io.Writer) error {
					_, err := io.Copy(w, from)
					return err
				},
			}}, nil
		},
	}
}

func tableType(f sheet.Format) string {
	if f == sheet.XLSX {
		return xlsxType
	}
	return csvType + "; charset=utf-8"
}

func exportExample() transfer.Export {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	ended, expires := at.Add(3*time.Second), at.Add(7*24*time.Hour)
	return transfer.Export{
		ID: uuid.MustParse(exampleID), Entity: crm.KindOrder, Columns: []string{"number", "date", "customer_id/code", "total"}, Format: sheet.XLSX,
		Status: transfer.Done, Rows: 830, Size: 41_200, CreatedAt: at, CreatedBy: exampleActor, FinishedAt: &ended, ExpiresAt: &expires,
	}
}
