package console_test

import (
	"compress/gzip"
	"html"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// unknownWord is a message's key where its words should be.
var unknownWord = regexp.MustCompile(`>\s*[a-z_]+(\.[a-z_0-9]+)+\s*<`)

func TestEveryPageInBothLanguages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	assets := 0
	for _, asset := range regexp.MustCompile(`/assets/[^"]+`).FindAllString(s.get("/").body, -1) {
		assets += len(s.do(http.MethodGet, asset, nil, "Accept-Encoding", "gzip").body)
	}
	paths := append(s.paths(), s.writing()...)
	for _, lang := range []string{"en", "zh-CN"} {
		s.post("/language", "language", lang, "to", "/orders")
		for _, path := range paths {
			a := s.do(http.MethodGet, path, nil, "Accept-Encoding", "gzip")
			weight := len(a.body) + assets
			if a.body = unzip(t, a); a.status != http.StatusOK {
				t.Errorf("%s %s: %d\n%s", lang, path, a.status, a.body)
				continue
			}
			if t.Logf("%s %s: %d bytes with style and script", lang, path, weight); weight > 100_000 {
				t.Errorf("%s %s weighs %d bytes with style and script", lang, path, weight)
			}
			if !strings.Contains(a.body, `<html lang="`+lang+`">`) {
				t.Errorf("%s: not in %s", path, lang)
			}
			if word := unknownWord.FindString(a.body); word != "" {
				t.Errorf("%s %s: no words for %s", lang, path, word)
			}
			for _, inline := range []string{"<script>", "<style", ` style="`, ` onclick=`} {
				if strings.Contains(a.body, inline) {
					t.Errorf("%s has %s, which its policy forbids", path, inline)
				}
			}
			if strings.Contains(a.body, "hunter2") {
				t.Errorf("%s shows a secret", path)
			}
		}
	}
}

// unzip is the body of an answer that was asked for compressed.
func unzip(t testing.TB, a answer) string {
	t.Helper()
	if a.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("not compressed: %v", a.header)
	}
	r, err := gzip.NewReader(strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEmptyPagesSayWhatToDoFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	for path, hint := range map[string]string{
		"/":                  "Get started",
		"/customers":         `href="/imports?entity=customer"`,
		"/orders":            "Orders appear here",
		"/invoices":          "Invoices come from",
		"/opportunities":     "your funnel",
		"/custom-fields":     "Fields of your own",
		"/sync":              "New connection",
		"/sync/connections":  "crmhub connection add",
		"/sync/jobs":         "a new connection proposes",
		"/sync/jobs/new":     "create one first",
		"/sync/runs":         "when a job",
		"/sync/dead-letters": "has arrived",
	} {
		s.get(path).wants(t, http.StatusOK, hint)
	}
}

func TestPagesShowWhatIsThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/").wants(t, 200, "Our ERP", "Hello, Ann Lee")
	s.get("/sync").wants(t, 200, "Our ERP", "Pull · Order", `href="/sync/runs?job=`+s.job.ID.String(), "No good run yet",
		`<span class="badge bad">Failing</span>`, `href="/sync/dead-letters?connection=`+s.erp.ID.String()+`&amp;entity=order&amp;status=open">1</a>`)
	s.get("/customers?q=müller").wants(t, 200, "Müller &amp; Söhne &lt;GmbH&gt;", "C1")
	s.get("/customers?lifecycle=lead").wants(t, 200, "Nothing matches", `href="/customers"`)
	s.get("/customers/"+s.customer.ID.String()).wants(t, 200, "O-1", "R-1", "Main 1", "Not yet in any other system",
		`<a class="badge bad" href="/orders/`+s.order.ID.String()+`/journey" title="Failed 4711">Our ERP`)
	s.get("/orders/"+s.order.ID.String()).wants(t, 200, "1,234.50", "3,703.50 EUR", "4,444.20 EUR", "4711", "Our ERP", "the article is blocked", "Release it.")
	s.get("/invoices/"+s.invoice.ID.String()).wants(t, 200, "20 Nov 2026", "/orders/"+s.order.ID.String())
	s.get("/sync/dead-letters/"+s.letter.String()).wants(t, 200, "/total", "no amount", `<td class="mono found">&#34;&lt;b&gt;&#34;</td>`)
	s.get("/sync/runs/"+s.run.ID.String()).wants(t, 200, "Queued", "by hand", "the record is not what its schema says")
}

// What a file breaks is said in the visitor's language; of a rule that is not known here, as it was stored.
func TestInvoicesShowWhatTheirFilesBreak(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.invoice.Findings = []crm.Finding{
		{Rule: "BR-CO-10", Severity: "fatal", Place: "/Invoice/cac:LegalMonetaryTotal/cbc:LineExtensionAmount", Message: "as stored"},
		{Rule: "BR-DE-1", Severity: "warning", Message: "A national rule."},
	}
	s.tx(func(tx pgx.Tx) error {
		return s.crm.Save(t.Context(), tx, crm.By{Actor: postgres.Connection(s.erp.ID), Origin: "erp"}, []crm.Entity{s.invoice})
	})
	page := "/invoices/" + s.invoice.ID.String()
	s.get(page).wants(t, 200, "Findings", "BR-CO-10", "Error", "LegalMonetaryTotal", "is not what the lines add up to", "BR-DE-1", "A national rule.")
	s.post("/language", "language", "zh-CN", "to", page)
	s.get(page).wants(t, 200, "校验问题", "各行净额合计与明细行之和不符。", "A national rule.")
}

func TestListsTurnPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into customers (id, code, name, kind, lifecycle, currency, version, origin, created_at, created_by, updated_at, updated_by)
			select gen_random_uuid(), 'N' || n, 'Customer ' || n, 'company', 'lead', 'EUR', 1, 'crm', now(), 'system', now(), 'system' from generate_series(1, 120) n`)
		return err
	})
	seen, path := 0, "/customers?lifecycle=lead"
	next := regexp.MustCompile(`href="([^"]+)" rel="next"`)
	for pages := 0; path != ""; pages++ {
		a := s.get(path)
		a.wants(t, 200)
		seen += strings.Count(a.body, `<td class="named"><a href="/customers/`)
		path = ""
		if m := next.FindStringSubmatch(a.body); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
		if pages > 5 {
			t.Fatal("the pages do not end")
		}
	}
	if seen != 120 {
		t.Errorf("the pages showed %d of 120", seen)
	}
}

func TestWhatIsNotThereIsSaidInWords(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	other := newSite(t)
	other.fill()
	s.signIn()
	for _, path := range []string{
		"/nowhere", "/customers/7", "/orders/" + other.order.ID.String(), "/orders/" + s.customer.ID.String(),
		"/sync/runs/" + other.run.ID.String(), "/sync/connections/x", "/sync/dead-letters/" + other.letter.String(),
	} {
		s.get(path).wants(t, http.StatusNotFound, "Not found")
	}
	for _, path := range []string{"/customers?after=x", "/orders?status=odd", "/sync/runs?after=x", "/sync/dead-letters?after=x"} {
		s.get(path).wants(t, http.StatusBadRequest, "is not valid")
	}
}

func TestListsAreSortedByTheirHeadings(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into customers (id, code, name, kind, lifecycle, currency, version, origin, created_at, created_by, updated_at, updated_by)
			select gen_random_uuid(), n, n, 'company', 'lead', 'EUR', 1, 'crm', now(), 'system', now(), 'system' from unnest('{b,c,a}'::text[]) n`)
		return err
	})
	page := s.get("/customers?lifecycle=lead&sort=name")
	page.wants(t, 200, ` aria-sort="ascending"><a href="/customers?lifecycle=lead&amp;sort=-name">`, `name="sort" value="name"`)
	for path, want := range map[string]string{"/customers?lifecycle=lead&sort=name": "a b c", "/customers?lifecycle=lead&sort=-code": "c b a"} {
		var names []string
		for _, m := range regexp.MustCompile(`<td[^>]*><a href="/customers/[^"]+">([^<]+)`).FindAllStringSubmatch(s.get(path).body, -1) {
			names = append(names, m[1])
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestRunsAreFoundByJobAndStatus(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	run := "/sync/runs/" + s.run.ID.String()
	s.get("/sync/jobs").wants(t, 200, "/sync/runs?job="+s.job.ID.String())
	s.get("/sync/runs?status=queued&job="+s.job.ID.String()).wants(t, 200, run, "Our ERP · Pull · Order")
	s.get("/sync/runs?status=failed").wants(t, 200, "Nothing matches")
	s.get("/sync/runs?job="+s.order.ID.String()).wants(t, 200, "No runs yet")
}

func TestRunsAndDeadLettersTurnPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into runs (id, job_id, cause, status, started_at, finished_at)
			select gen_random_uuid(), $1, 'manual', 'succeeded', now(), now() + '2 s' from generate_series(1, 60)`, s.job.ID)
		return err
	})
	for n := range 60 {
		s.buryOrder("p" + strconv.Itoa(n))
	}
	for first, row := range map[string]string{
		"/sync/runs?job=" + s.job.ID.String() + "&status=succeeded":            `<td class="nowrap"><a href="/sync/runs/`,
		"/sync/dead-letters?connection=" + s.erp.ID.String() + "&entity=order": `<td><a href="/sync/dead-letters/`,
	} {
		a := s.get(first)
		m := regexp.MustCompile(`href="([^"]+)" rel="next"`).FindStringSubmatch(a.body)
		if m == nil || strings.Count(a.body, row) != 50 {
			t.Fatalf("%s shows %d rows, and no way on:\n%s", first, strings.Count(a.body, row), a.body)
		}
		b := s.get(html.UnescapeString(m[1]))
		b.wants(t, 200, "First page")
		if rest := strings.Count(b.body, row); rest != 10 && rest != 11 || strings.Contains(b.body, `rel="next"`) {
			t.Errorf("%s: the second page shows %d rows:\n%s", first, rest, b.body)
		}
	}
}
