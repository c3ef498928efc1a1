//go:build system || tryton

// Package trytontest is a person at a Tryton server: what people do there, tests do through it.
//
// The server is one that deploy/tryton.sh started. CRMHUB_TEST_TRYTON is its address, CRMHUB_TEST_TRYTON_PASSWORD the
// password of its user admin (crmhub-test).
package trytontest

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// What deploy/tryton.sh prepares.
const (
	Database = "erp"
	User     = "admin"
	Category = "Goods"   // accounting category, with a sales tax of 20 %
	Term     = "30 days" // payment term
)

// Server is a Tryton server that somebody is logged in to.
type Server struct {
	URL, Password string

	t       *testing.T
	client  *http.Client
	session string
	context map[string]any // the user's preferences, the company among them
}

// Open logs in. The test fails where there is no server.
func Open(t *testing.T) *Server {
	t.Helper()
	s := &Server{t: t, client: &http.Client{Timeout: time.Minute}}
	s.URL = os.Getenv("CRMHUB_TEST_TRYTON")                                      //nolint:forbidigo // tests are told so
	s.Password = cmp.Or(os.Getenv("CRMHUB_TEST_TRYTON_PASSWORD"), "crmhub-test") //nolint:forbidigo // tests are told so
	if s.URL == "" {
		t.Fatal("CRMHUB_TEST_TRYTON must say where a Tryton server is: deploy/tryton.sh up DIR starts one and prints it")
	}
	s.logIn()
	s.context = s.Call("res.user.get_preferences", true, map[string]any{}).(map[string]any)
	return s
}

func (s *Server) logIn() {
	s.t.Helper()
	s.session = ""
	answer, status := s.post("common.db.login", User, map[string]any{"password": s.Password}, "en")
	login, ok := answer.([]any)
	if !ok {
		s.t.Fatalf("log in to %s: status %d", s.URL, status)
	}
	s.session = base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s:%v:%v", User, login[0], login[1]))
}

// Call calls a method of a model, such as sale.sale.read, and fails the test on an error. Numbers are json.Number.
func (s *Server) Call(method string, params ...any) any {
	s.t.Helper()
	if s.context != nil {
		params = append(params, s.context)
	}
	return s.call("model."+method, params...)
}

func (s *Server) call(method string, params ...any) any {
	s.t.Helper()
	result, status := s.post(method, params...)
	if status == http.StatusUnauthorized { // a session ends when nobody uses it
		s.logIn()
		result, status = s.post(method, params...)
	}
	if status != http.StatusOK {
		s.t.Fatalf("%s: status %d", method, status)
	}
	return result
}

func (s *Server) post(method string, params ...any) (result any, status int) {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"id": 1, "method": method, "params": params})
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.URL+"/"+Database+"/rpc/", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if s.session != "" {
		r.Header.Set("Authorization", "Session "+s.session)
	}
	response, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, response.StatusCode
	}
	var answer struct{ Result, Error any }
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&answer); err != nil || answer.Error != nil {
		s.t.Fatalf("%s: %v %s", method, err, text)
	}
	return answer.Result, response.StatusCode
}

// Read reads one field of a record.
func (s *Server) Read(model string, id any, field string) any {
	s.t.Helper()
	return s.Call(model+".read", []any{id}, []any{field}).([]any)[0].(map[string]any)[field]
}

// PostInvoices dates and posts the invoices of a sale, and returns their ids.
func (s *Server) PostInvoices(sale any) []any {
	s.t.Helper()
	invoices := s.Read("sale.sale", sale, "invoices").([]any)
	s.Call("account.invoice.write", invoices, map[string]any{"invoice_date": Day(time.Now())})
	s.Call("account.invoice.post", invoices)
	return invoices
}

// Pay enters a payment of an invoice by Tryton's wizard.
func (s *Server) Pay(invoice any, amount string) {
	s.t.Helper()
	i := s.Call("account.invoice.read", []any{invoice}, []any{"party", "currency", "account", "company"}).([]any)[0].(map[string]any)
	method := s.Call("account.invoice.payment.method.search", []any{}, 0, 1, nil).([]any)[0]
	wizard := s.call("wizard.account.invoice.pay.create", s.context).([]any)[0]
	context := map[string]any{"active_model": "account.invoice", "active_id": invoice, "active_ids": []any{invoice}}
	maps.Copy(context, s.context)
	state := map[string]any{"start": map[string]any{
		"payee": i["party"], "payees": []any{i["party"]}, "amount": map[string]any{"__class__": "Decimal", "decimal": amount}, "currency": i["currency"],
		"payment_method": method, "date": Day(time.Now()), "description": "transfer", "company": i["company"], "invoice_account": i["account"],
	}}
	answer := s.call("wizard.account.invoice.pay.execute", wizard, state, "choice", context).(map[string]any)
	if view, asks := answer["view"].(map[string]any); asks { // what to do with the rest: what it proposes
		ask := map[string]any{}
		for k, v := range view["defaults"].(map[string]any) {
			if !strings.HasSuffix(k, ".") {
				ask[k] = v
			}
		}
		state["ask"] = ask
		s.call("wizard.account.invoice.pay.execute", wizard, state, "pay", context)
	}
	s.call("wizard.account.invoice.pay.delete", wizard, s.context)
}

// EndSessions logs everybody out, by setting the password to what it is.
func (s *Server) EndSessions() {
	s.t.Helper()
	users := s.Call("res.user.search", []any{[]any{"login", "=", User}}, 0, 1, nil).([]any)
	s.Call("res.user.write", users, map[string]any{"password": s.Password})
}

// Day is a date as Tryton takes it.
func Day(t time.Time) map[string]any {
	return map[string]any{"__class__": "date", "year": t.Year(), "month": int(t.Month()), "day": t.Day()}
}
