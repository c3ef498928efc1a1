package api

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
	"crmhub/core/sheet"
	"crmhub/core/transfer"
)

const (
	csvType  = "text/csv"
	xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

	maxUpload = 1 << 30
)

func (s *server) listImports() operation {
	return operation{
		id: "list-imports", needs: maySome(access.Import), tag: "imports", summary: "List imports", description: "Newest first.", parameters: pageParameters(),
		status: http.StatusOK, result: jsonBody(s.document, list[transfer.Import]{Items: []transfer.Import{importExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			return pageOf(ctx, s, c, c.sight(access.Import), s.Transfers.ListImports)
		},
	}
}

// pageOf serves a list that needs nothing but where to go on and how far.
func pageOf[T any](ctx context.Context, s *server, c *call, sight transfer.Sight,
	read func(ctx context.Context, tx pgx.Tx, sight transfer.Sight, after string, limit int) (postgres.Page[T], error),
) (answer, error) {
	var faults parameterFaults
	limit := parseLimit(c.query, &faults)
	return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[T], error) {
		return read(ctx, tx, sight, c.query.Get(afterParameter), limit)
	})
}

func (s *server) upload() operation {
	entity := choiceParameter("entity", "What the rows are.", kindNames())
	entity.Required = true
	name := queryParameter("name", "Of the file.", &huma.Schema{Type: huma.TypeString}, "customers.csv")
	name.Required = true
	return operation{
		id: "upload-import", needs: maySome(access.Import), tag: "imports", summary: "Upload a file to import",
		description: "The body is the file, of at most 1 GiB (an XLSX file: 64 MiB), and is taken in as it comes. What it is comes back as sensed: " +
			"encoding, delimiter, header, and the field of each column with samples. Nothing is imported before it is run.",
		parameters: []*huma.Param{entity, name},
		body:       fileContent("code,name\nC1,北京某某科技有限公司\n", csvType, xlsxType), upload: maxUpload,
		status: http.StatusCreated, result: jsonBody(s.document, importExample()), located: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			kind, name := c.choiceIn("entity", kindNames(), &faults), strings.TrimSpace(c.query.Get("name"))
			if kind == "" && len(faults) == 0 {
				faults.add("entity", "required", "is required")
			}
			if name == "" || utf8.RuneCountInString(name) > 300 {
				faults.add("name", "required", "must be given, with at most 300 characters")
			}
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			if err := c.permit(crm.Kind(kind), access.Import); err != nil {
				return answer{}, err
			}
			i, err := s.Transfers.Upload(ctx, s.DB, c.who.Principal, crm.Kind(kind), name, c.request.Body)
			if err != nil {
				return answer{}, err
			}
			return created("/imports", i.ID, i)
		},
	}
}

func (s *server) getImport() operation {
	return operation{
		id: "get-import", needs: maySome(access.Import), tag: "imports", summary: "Get an import", description: "Its counts grow while it runs.",
		status: http.StatusOK, result: jsonBody(s.document, importExample()),
		serve: func(ctx context.Context, c *call) (answer, error) {
			return ok(s.importIn(ctx, c))
		},
	}
}

func (s *server) patchImport() operation {
	mode := transfer.Both
	return operation{
		id: "update-import", needs: maySome(access.Import), tag: "imports", summary: "Say how rows become entities",
		description: "What is absent stays. Another encoding, delimiter or header senses the columns anew. Only before it runs.",
		body: mergePatchBody(s.document, transfer.Change{
			Fields: &[]string{"code", "name"}, Mode: &mode, MatchBy: &[]string{"code"}, Defaults: &map[string]string{"currency": "CNY"},
		}),
		status: http.StatusOK, result: jsonBody(s.document, importExample()), problems: []int{http.StatusConflict},
		serve: func(ctx context.Context, c *call) (answer, error) {
			i, err := s.importIn(ctx, c)
			if err != nil {
				return answer{}, err
			}
			change, err := decode[transfer.Change](c)
			if err != nil {
				return answer{}, err
			}
			if i, err = s.Transfers.ChangeImport(ctx, s.DB, c.who.Principal, i.ID, change); err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, i)
		},
	}
}

func (s *server) previewImport() operation {
	return s.importTask("preview-import", "Preview an import",
		"A dry run over all rows in the background: counts, refused rows, and what the first hundred come to. Nothing is written.", s.Transfers.Preview)
}

func (s *server) runImport() operation {
	return s.importTask("run-import", "Run an import",
		"In the background. After it was cancelled or failed, the rest of it. Rows that are refused stop no other.", s.Transfers.Run)
}

func (s *server) cancelImport() operation {
	return s.importTask("cancel-import", "Cancel a preview or run",
		"It ends after its batch. What is written stays: run it again for the rest, or undo it.", s.Transfers.Cancel)
}

func (s *server) undoImport() operation {
	return s.importTask("undo-import", "Undo an import",
		"In the background: what it created is deleted, what it updated is as before. What was changed since is left alone and counted in kept.", s.Transfers.Undo)
}

func (s *server) importTask(id, summary, description string, begin func(context.Context, pgx.Tx, uuid.UUID) (transfer.Import, error)) operation {
	return operation{
		id: id, needs: maySome(access.Import), tag: "imports", summary: summary, description: description,
		status: http.StatusOK, result: jsonBody(s.document, importExample()), keyed: true,
		problems: []int{http.StatusConflict, http.StatusUnprocessableEntity},
		serve: func(ctx context.Context, c *call) (answer, error) {
			i, err := s.importIn(ctx, c)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				return ok(begin(ctx, tx, i.ID))
			})
		},
	}
}

// importIn reads the import that the path names, if the caller sees it.
func (s *server) importIn(ctx context.Context, c *call) (i transfer.Import, err error) {
	id, err := c.id()
	if err != nil {
		return i, err
	}
	err = s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
		i, err = s.Transfers.GetImport(ctx, tx, id)
		return err
	})
	if err == nil && !c.sight(access.Import).Sees(i.Entity, i.CreatedBy) {
		err = notFound()
	}
	return i, err
}

// sight is which imports or exports the caller sees.
func (c *call) sight(a access.Action) transfer.Sight { return transfer.SightOf(c.who, a) }

func (s *server) importErrors() operation {
	return operation{
		id: "get-import-errors", needs: maySome(access.Import), tag: "imports", summary: "Get the rows that did not go in",
		description: "A CSV file for spreadsheets: the cells as they were, the row's number, and the reason.",
		status:      http.StatusOK, result: fileContent("code,name,row,reason\r\nC3,,4,/name: is required (required)\r\n", csvType),
		serve: func(ctx context.Context, c *call) (answer, error) {
			i, err := s.importIn(ctx, c)
			if err != nil {
				return answer{}, err
			}
			return answer{Status: http.StatusOK, file: &file{
				name: "errors of " + i.Name + ".csv", mediaType: csvType + "; charset=utf-8",
				send: func(w io.Writer) error { return s.Transfers.WriteRefusals(ctx, s.DB, c.who.Principal, i, w) },
			}}, nil
		},
	}
}

func importExample() transfer.Import {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	ended := at.Add(3 * time.Second)
	return transfer.Import{
		ID: uuid.MustParse(exampleID), Entity: crm.KindCustomer, Name: "客户.csv", Size: 84, Lines: 4,
		Form: sheet.Form{Format: sheet.CSV, Encoding: sheet.GB18030, Delimiter: ",", Header: true},
		Columns: []transfer.Column{
			{Name: "客户编码", Field: "code", Samples: []string{"C1", "C2"}}, {Name: "客户名称", Field: "name", Samples: []string{"北京某某科技有限公司"}},
		},
		Defaults: map[string]string{}, Mode: transfer.Both, MatchBy: []string{"code"}, Status: transfer.Previewed,
		Counts: transfer.Counts{Rows: 3, Created: 2, Refused: 1},
		Preview: []transfer.Outcome{
			{Row: 2, Result: "create", Cells: []string{"C1", "北京某某科技有限公司"}},
			{Row: 4, Result: "error", Cells: []string{"C3", ""}, Faults: schema.Violations{{Pointer: "/name", Rule: "required", Message: "is required"}}},
		},
		CreatedAt: at, CreatedBy: exampleActor, StartedAt: &at, FinishedAt: &ended,
	}
}
