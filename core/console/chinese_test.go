package console_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/crm"
)

// What a Chinese page may say in another language: names of people, firms and things, which the test itself or a standard gave, and
// what other systems said, which is quoted. Each is a whole run of words.
var foreign = []string{
	"Ann Lee", "Alfreds Futterkiste", "Workshop ERP", "Away ERP", "English", "Simulated ERP", "dial tcp", "connect: connection refused",
	"Our ERP", "Connection shop", "the article is blocked", "Release it.", "Ring once", "ring once", "First Ltd", "Second Ltd", "Example Holding Ltd", "Main Street", "Beispiel GmbH",
	"Standard Webhooks", "Dynamics 365 Business Central", "Business Central", "QuickBooks Online", "Kill Bill", "Entra ID", "Sales User", "Accounts User", "Item Manager", "All Territories", "All Item Groups", "All Customer Groups",
}

var (
	unread  = regexp.MustCompile(`(?s)<(script|style|textarea|pre|code)\b.*?</(?:script|style|textarea|pre|code)>|<svg\b.*?</svg>|<div class="mono"><span class="muted">[^<]*</span>[^<]*<|<[a-z0-9]+ class="[^"]*\bmono\b[^"]*"[^>]*>[^<]*<`)
	tags    = regexp.MustCompile(`<[^>]*>`)
	spoken  = regexp.MustCompile(` (?:aria-label|title|placeholder|alt)="([^"]*)"`)
	english = regexp.MustCompile(`[A-Za-z][A-Za-z'’]*(?:[ ,;:]+[A-Za-z][A-Za-z'’]+)+`)
	hrefs   = regexp.MustCompile(`href="(/[^"#]*)"`)
)

// englishOn are the runs of English words that a page says, but for those that it may.
func englishOn(body string) []string {
	var texts []string
	for _, m := range spoken.FindAllStringSubmatch(body, -1) {
		texts = append(texts, m[1])
	}
	texts = append(texts, tags.Split(unread.ReplaceAllString(body, "<"), -1)...)
	var runs []string
	for _, text := range texts {
		text = html.UnescapeString(text)
		for _, name := range foreign {
			text = strings.ReplaceAll(text, name, "")
		}
		if found := english.FindAllString(text, -1); found != nil {
			runs = append(runs, fmt.Sprintf("%q in %q", found, strings.TrimSpace(text)))
		}
	}
	return runs
}

// done waits until no run is under way, but for those of connections that are held back.
func (s *site) done() {
	s.Helper()
	ctx, stop := context.WithTimeout(s.Context(), patience)
	defer stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var n int
		s.tx(func(tx pgx.Tx) error {
			return tx.QueryRow(s.Context(), `
				select count(*) from runs r join jobs j on j.id = r.job_id left join breakers b on b.connection_id = j.connection_id
				where r.status in ('queued', 'running') and coalesce(b.state, 'closed') = 'closed'`).Scan(&n)
		})
		if n == 0 {
			return
		}
		select {
		case <-ctx.Done():
			s.Fatalf("%d runs do not end", n)
		case <-tick.C:
		}
	}
}

// A hub whose sync went wrong in many ways says so in Chinese to who reads Chinese: on each page that a link leads to, and on those
// that a form ends on.
func TestChinesePagesSpeakChinese(t *testing.T) {
	t.Parallel()
	s, sim := newSimulatedSite(t)
	s.enters(sim.ERPURL()+"/parties", `{"external_ref": "ALFKI", "name1": "Alfreds Futterkiste", "category": "ORG", "blocked": false, "addresses": []}`)
	s.enters(sim.ERPURL()+"/parties", `{"external_ref": "TWO", "name1": "Alfreds Futterkiste", "category": "ORG", "blocked": false, "addresses": []}`)
	s.enters(sim.ERPURL()+"/articles", `{"external_ref": "NW-001", "title": "Chai", "uom": "PCE", "price_per_100": 1800, "vat": 0.2, "phase": "ACTIVE"}`)
	s.enters(sim.ERPURL()+"/orders", `{"external_ref": "PO-1", "party_no": "K10001", "doc_date": "20260105", "currency": "EUR", "positions": [
		{"article_no": "A20001", "text": "Chai", "quantity": 3, "price_per_100": 1800, "rebate": 0.05, "vat_rate": 0.2}]}`)
	s.signIn()
	s.post("/account/language", "locale", "zh-CN")
	s.post("/language", "language", "zh-CN")
	judge := func(what string, a answer) {
		t.Helper()
		if !strings.Contains(a.body, `lang="zh-CN"`) {
			t.Errorf("%s is not in Chinese, or no page: %d", what, a.status)
		}
		for _, run := range englishOn(a.body) {
			t.Errorf("%s says %s", what, run)
		}
	}
	ask := func(path string, pairs ...string) answer { return s.do(http.MethodPost, path, form(pairs...)) }
	customer := s.enterCustomer()

	// Connections that are refused, away, and well.
	made := func(name, code, url, key string) []string {
		return []string{"connector", "simulator-erp", "name", name, "code", code, "config.url", url, "config.api_key", key}
	}
	judge("a connection without rights", ask("/sync/connections", append(made("Workshop ERP", "erp", sim.ERPURL(), "wrong"), "do", "check")...))
	judge("a connection to nobody", ask("/sync/connections", append(made("Away ERP", "away", "http://127.0.0.1:1/erp", "k"), "do", "check")...))
	judge("a connection with half a form", ask("/sync/connections", "connector", "simulator-erp", "name", "", "code", "E R P", "config.url", "nowhere", "do", "save"))
	s.post("/sync/connections", append(made("Workshop ERP", "erp", sim.ERPURL(), simulatorKey), "do", "check")...)
	s.post("/sync/connections", append(made("Away ERP", "away", "http://127.0.0.1:1/erp", "k"), "do", "save")...)
	var erp, away connection.Connection
	s.tx(func(tx pgx.Tx) (err error) {
		if erp, err = s.connections.GetByCode(t.Context(), tx, "erp"); err != nil {
			return err
		}
		away, err = s.connections.GetByCode(t.Context(), tx, "away")
		return err
	})
	judge("a check of nobody", ask("/sync/connections/"+away.ID.String()+"/check"))
	for _, entity := range []string{"order", "customer", "product"} { // orders first: they refer to nobody known
		for _, c := range []connection.Connection{erp, away} {
			s.post("/sync/jobs", "connection", c.ID.String(), "work", "pull "+entity, "time_zone", "UTC", "overlap", "skip", "misfire", "once")
		}
	}
	var jobs []uuid.UUID
	s.tx(func(tx pgx.Tx) error {
		rows, _ := tx.Query(t.Context(), `select id from jobs`)
		var err error
		jobs, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if len(jobs) != 6 {
		t.Fatalf("there are %d jobs", len(jobs))
	}
	for _, id := range jobs {
		judge("a dry run", s.get("/sync/jobs/"+id.String()+"/dry-run?beginning=true"))
		s.post("/sync/jobs/" + id.String() + "/run")
		s.done()
	}

	// What the mapping editor finds wrong.
	editor := "/sync/connections/" + erp.ID.String() + "/mappings/customer"
	for _, text := range []string{
		"nonsense", "entity: customer\nrecord: party\nfields:\n  - {crm: nowhere, remote: name1}\n  - {crm: name, remote: blocked}\n  - {crm: code, remote: external_ref, format: date}\n  - {crm: name, remote: name1, values: {a: b, a: c}}\n  - {crm: name}\n",
	} {
		judge("a mapping with faults", ask(editor+"/try", "text", text))
	}
	short := "entity: customer\nrecord: party\nfields:\n  - {crm: code, remote: external_ref}\n"
	judge("a mapping that sets too little", ask(editor+"/try", "text", short, "sample", customer))
	judge("a mapping of a record that is not there", ask(editor+"/try", "text", short, "remote_id", "K9"))
	judge("a stored mapping", s.get(strings.TrimSuffix(ask(editor, "text", short).header.Get("Location"), "#")))
	judge("its effect", s.get(editor+"?version=1&effect=pull"))

	// Both sides compared.
	for _, c := range []connection.Connection{erp, away} {
		for _, entity := range []string{"customer", "order"} {
			s.post("/sync/reconciliations", "connection", c.ID.String(), "entity", entity)
			s.post("/sync/matchings", "connection", c.ID.String(), "entity", entity)
			s.done()
		}
	}

	// Every page that a link leads to.
	shape := regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	seen, kinds := map[string]bool{}, map[string]int{}
	for next := []string{"/", "/sync", "/reports", "/admin/users"}; len(next) > 0; {
		path := next[0]
		next = next[1:]
		u, err := url.Parse(path)
		kind := shape.ReplaceAllString(u.Path, "ID")
		if err != nil || seen[path] || kinds[kind] >= 4 || strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/assets/") || strings.HasPrefix(path, "/log") {
			continue
		}
		seen[path] = true
		kinds[kind]++
		a := s.get(path)
		if a.status >= 500 {
			t.Errorf("%s answers %d", path, a.status)
		}
		if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || a.status >= 300 && a.status < 400 {
			continue
		}
		judge(path, a)
		for _, m := range hrefs.FindAllStringSubmatch(a.body, -1) {
			next = append(next, html.UnescapeString(m[1]))
		}
	}
	if len(seen) < 150 || !slices.ContainsFunc(slicesOf(seen), func(p string) bool { return strings.HasSuffix(p, "/journey") }) {
		t.Errorf("only %d pages are linked", len(seen))
	}
}

func slicesOf(set map[string]bool) (all []string) {
	for one := range set {
		all = append(all, one)
	}
	return all
}

// enterCustomer makes a customer that looks like one of the simulated ERP, and returns its id.
func (s *site) enterCustomer() string {
	s.Helper()
	c := &crm.Customer{Code: "C1", Name: "Alfreds Futterkiste", Type: "company", Lifecycle: "customer", Currency: "EUR"}
	s.tx(func(tx pgx.Tx) error {
		return s.crm.Save(s.Context(), tx, crm.By{Actor: s.who.Actor, Origin: "crm"}, []crm.Entity{c})
	})
	return c.ID.String()
}

// So do the pages of a hub with records of many kinds, findings in invoices, and files that do not fit.
func TestFilledPagesSpeakChinese(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.transfers()
	s.signIn()
	s.post("/account/language", "locale", "zh-CN")
	s.post("/language", "language", "zh-CN")
	imported := s.uploaded("customer", "new.csv", customersFile)
	s.post(imported,
		"encoding", "utf-8", "delimiter", ",", "header", "1", "mode", "both", "match_by", "code",
		"field.0", "code", "field.1", "name", "field.2", "addresses/city", "field.3", "", "do", "preview")
	s.ended(imported)
	paths := slices.Concat(s.paths(), s.writing(), []string{imported, "/reports/overview", "/segments/new", "/campaigns/new", "/account/factor"})
	for _, path := range paths {
		for _, run := range englishOn(s.get(path).body) {
			t.Errorf("%s says %s", path, run)
		}
	}
	for _, form := range []string{"/customers", "/orders", "/opportunities", "/contracts", "/segments", "/tickets", "/admin/users", "/pool/rules", "/targets", "/sync/subscriptions"} {
		for _, run := range englishOn(s.do(http.MethodPost, form, url.Values{"name": {""}}).body) {
			t.Errorf("the form of %s says %s", form, run)
		}
	}
}
