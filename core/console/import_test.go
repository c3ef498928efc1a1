package console_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/transfer"
)

// transfers lets imports and exports be worked on while the test goes on.
func (s *site) transfers() {
	s.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(s.Context()))
	done := make(chan error, 1)
	runner := &transfer.Runner{DB: s.db, Access: s.access, Entities: s.crm, Logger: slog.New(slog.DiscardHandler)}
	go func() { done <- runner.Run(ctx) }()
	s.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			s.Errorf("the runner ended: %v", err)
		}
	})
}

// upload sends a file by the form and returns where it leads.
func (s *site) upload(path, name, content string, fields ...string) answer {
	s.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := form.WriteField(fields[i], fields[i+1]); err != nil {
			s.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		s.Fatal(err)
	}
	if _, err := io.WriteString(part, content); err != nil {
		s.Fatal(err)
	}
	if err := form.Close(); err != nil {
		s.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.server.URL+path, &b)
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	r, err := s.browser.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.Fatal(err)
	}
	return answer{r.StatusCode, r.Header, string(body)}
}

// uploaded is the page of an import whose file was just uploaded.
func (s *site) uploaded(kind, name, content string) string {
	s.Helper()
	a := s.upload("/imports", name, content, "entity", kind)
	if a.status != http.StatusSeeOther {
		s.Fatalf("status %d\n%s", a.status, a.body)
	}
	path, _, _ := strings.Cut(a.header.Get("Location"), "?")
	return path
}

// ended waits until an import or export is worked on no more: its stream says so.
func (s *site) ended(path string) {
	s.Helper()
	if a := s.get(path + "/live"); a.status != http.StatusOK || !strings.Contains(a.body, "event: done") {
		s.Fatalf("status %d\n%s", a.status, a.body)
	}
}

const customersFile = "客户编码,客户名称,城市,mystery\nN1,First Ltd,Graz,x\nN2,Second Ltd,Linz,y\nN3,,Wien,z\n"

func TestFileIsImportedAndTakenBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.transfers()
	s.signIn()
	s.get("/imports").wants(t, 200, "Nothing has been imported yet", `<option value="customer">Customers`)
	path := s.uploaded("customer", "new.csv", customersFile)
	s.get(path).wants(t, 200, `<option value="code" selected>`, `<option value="name" selected>`, "First Ltd · Second Ltd", `name="match_by" value="code" checked`, "UTF-8")

	form := []string{
		"encoding", "utf-8", "delimiter", ",", "header", "1", "mode", "both", "match_by", "code",
		"field.0", "code", "field.1", "name", "field.2", "addresses/city", "field.3", "", "default_field.0", "currency", "default_value.0", "CNY", "do", "preview",
	}
	s.get(s.post(path, form...)).wants(t, 200, "being checked")
	s.ended(path)
	s.get(path).wants(t, 200, "Ready to import", "Rows that will not be imported", "First Ltd")
	s.get("/customers").wants(t, 200, "No customers")

	s.get(s.post(path+"/run")).wants(t, 200, "The import has started")
	s.ended(path)
	s.get(path).wants(t, 200, "Done", "Undo the import", "Show customers")
	s.get("/customers").wants(t, 200, "First Ltd", "Second Ltd")
	errors := s.get(path + "/errors")
	errors.wants(t, 200, "N3", "Wien")
	if got := errors.header.Get("Content-Disposition"); !strings.Contains(got, "attachment") || !strings.Contains(got, "new.csv") {
		t.Errorf("Content-Disposition %q", got)
	}
	if a := s.do(http.MethodPost, path+"/run", nil); a.status != http.StatusConflict {
		t.Errorf("what is done was run again: %d", a.status)
	}

	s.post(path + "/undo")
	s.ended(path)
	s.get(path).wants(t, 200, "Undone")
	s.get("/customers").wants(t, 200, "No customers")
	s.get("/imports").wants(t, 200, "new.csv", "Ann Lee")
}

// What would write nothing is not offered.
func TestNothingIsNotImported(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.transfers()
	s.signIn()
	path := s.uploaded("customer", "new.csv", customersFile)
	s.post(path, "encoding", "utf-8", "delimiter", ",", "header", "1", "mode", "update", "match_by", "code", "field.0", "code", "field.1", "name", "field.2", "", "field.3", "", "do", "preview")
	s.ended(path)
	page := s.get(path)
	page.wants(t, 200, "Nothing to import", "Rows that will not be imported")
	if strings.Contains(page.body, "Import now") {
		t.Error("it is offered")
	}
}

func TestImportSaysWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.upload("/imports", "", "", "entity", "customer").wants(t, http.StatusUnprocessableEntity, "Choose a file first")
	s.upload("/imports", "x.csv", "a", "entity", "nonsense").wants(t, http.StatusBadRequest)
	path := s.uploaded("customer", "new.csv", customersFile)
	a := s.do(http.MethodPost, path, form(
		"encoding", "utf-8", "delimiter", ",", "header", "1", "mode", "update", "field.0", "code", "field.1", "code", "field.2", "", "field.3", ""))
	a.wants(t, http.StatusUnprocessableEntity, "is another column", `aria-invalid="true"`)
	// Another delimiter makes it one column, which nobody knows.
	s.post(path, "encoding", "utf-8", "delimiter", ";", "header", "1", "mode", "both", "field.0", "code", "do", "save")
	s.get(path).wants(t, 200, "客户编码,客户名称,城市,mystery", `<option value=";" selected>`)
	s.do(http.MethodPost, path, form("encoding", "klingon", "delimiter", ",", "mode", "both")).wants(t, http.StatusUnprocessableEntity)
	s.get("/imports/00000000-0000-7000-8000-000000000001").wants(t, http.StatusNotFound)
}

func TestListIsExportedAsShown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.transfers()
	s.signIn()
	s.get("/orders?status=confirmed").wants(t, 200, `action="/orders/export"`, `name="query" value="status=confirmed"`)
	to := s.post("/orders/export", "format", "csv", "query", "status=confirmed&sort=-total")
	path, _, _ := strings.Cut(to, "?")
	s.get(to).wants(t, 200, "The file is being created")
	s.ended(path)
	s.get(path).wants(t, 200, "Download", "customer_id/code")
	file := s.get(path + "/file")
	file.wants(t, 200, "O-1,C1,2026-11-20,confirmed")
	if got := file.header.Get("Content-Type"); got != "text/csv; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
	s.get("/exports").wants(t, 200, "Orders", path+"/file")
	s.do(http.MethodPost, path+"/cancel", nil).wants(t, http.StatusConflict)
	s.get(s.post(path+"/delete")).wants(t, 200, "Export deleted")
	s.get(path).wants(t, http.StatusNotFound)
	s.do(http.MethodPost, "/orders/export", form("format", "docx")).wants(t, http.StatusBadRequest)
}

func TestWhoMayNotMoveDataIsNotOfferedTo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	path := s.uploaded("customer", "new.csv", customersFile)
	s.become(access.Role{Grants: []access.Grant{
		{Resource: "customer", Action: access.Read, Scope: "organization"},
		{Resource: "contact", Action: access.Import, Scope: "own"},
		{Resource: "contact", Action: access.Create, Scope: "own"},
	}})
	page := s.get("/customers")
	page.wants(t, 200, "/imports")
	if strings.Contains(page.body, "/export") || strings.Contains(page.body, "/imports?entity") {
		t.Errorf("exports or imports of customers are offered:\n%s", page.body)
	}
	if a := s.get("/imports"); strings.Contains(a.body, `value="customer"`) {
		t.Error("customers may be chosen")
	}
	s.upload("/imports", "new.csv", customersFile, "entity", "customer").wants(t, http.StatusForbidden)
	s.do(http.MethodPost, "/customers/export", form("format", "csv")).wants(t, http.StatusForbidden)
	s.get("/exports").wants(t, http.StatusForbidden)
	s.get(path).wants(t, 200) // his own, though he may import them no more
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "update imports set created_by = 'system'")
		return err
	})
	s.get(path).wants(t, http.StatusNotFound)
	s.do(http.MethodPost, path+"/run", nil).wants(t, http.StatusNotFound)
}
