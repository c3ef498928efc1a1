//go:build browser

package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
)

// tab is a page of a real browser. Chromium is found where Debian puts it, or as CRMHUB_TEST_CHROMIUM says.
type tab struct {
	*testing.T
	ctx  context.Context //nolint:containedctx // the browser is in it
	site *site
}

// newTab begins a browser with nobody signed in.
func (s *site) newTab() *tab {
	s.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.WindowSize(1360, 900), chromedp.WSURLReadTimeout(patience),
	)
	if path := os.Getenv("CRMHUB_TEST_CHROMIUM"); path != "" {
		options = append(options, chromedp.ExecPath(path))
	}
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(s.Context()), options...)
	s.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	s.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		s.Fatal(err)
	}
	return &tab{s.T, ctx, s}
}

// run does something in the browser and returns what came of it.
func run[T any](b *tab, a chromedp.Action[T]) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	result, err := chromedp.Run(ctx, a)
	if err != nil {
		html, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.querySelector('main')?.innerText ?? document.body.innerText"))
		b.Fatalf("%v\non a page that says\n%s", err, html)
	}
	return result
}

func (b *tab) goes(path string) {
	b.Helper()
	run(b, chromedp.Navigate(b.site.server.URL+path))
}

// waits until something is so on the page, whichever page that will be.
func (b *tab) waits(expression string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		so, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.readyState !== 'loading' && !!("+expression+")"))
		if so && err == nil {
			return
		}
		select {
		case <-ctx.Done():
			said, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
			b.Fatalf("%s does not come true (%v) on a page that says\n%s", expression, err, said)
		case <-tick.C: // a page that is being left answers nothing
		}
	}
}

// sees waits until the page says something.
func (b *tab) sees(texts ...string) {
	b.Helper()
	for _, text := range texts {
		b.waits("document.querySelector('main')?.innerText.includes(" + quoted(text) + ")")
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// fills enters something into inputs by their names, once they are there: the page may be on its way.
func (b *tab) fills(pairs ...string) {
	b.Helper()
	for i := 0; i < len(pairs); i += 2 {
		input := `document.querySelector('main [name="'+` + quoted(pairs[i]) + `+'"]:not([type=hidden])')`
		b.waits(input)
		run(b, chromedp.Evaluate[bool](`(() => {
			const input = `+input+`;
			input.focus(); input.value = `+quoted(pairs[i+1])+`; input.dispatchEvent(new Event("change", {bubbles: true})); return true
		})()`))
	}
}

// presses a button or follows a link by its words.
func (b *tab) presses(words string) {
	b.Helper()
	b.waits("[...document.querySelectorAll('main button, main a, main summary')].some((e) => e.innerText.replace(/\\s+/g, ' ').trim() === " + quoted(words) + ")")
	run(b, chromedp.Evaluate[bool](`(() => {
		for (const e of document.querySelectorAll("main button, main a, main summary"))
			if (e.innerText.replace(/\s+/g, ' ').trim() === `+quoted(words)+` && !e.classList.contains("visually-hidden")) { e.click(); return true }
		throw new Error("nothing to press: " + `+quoted(words)+`)
	})()`))
}

func (b *tab) signsIn(login, password string) {
	b.Helper()
	b.goes("/login")
	b.fills("login", login, "password", password)
	b.presses("Sign in")
	b.waits("document.querySelector('.side')")
}

var words = regexp.MustCompile(`[^a-z0-9]+`)

// pictured keeps a picture of the page in the folder that git ignores.
func (b *tab) pictured(name string) {
	b.Helper()
	var png []byte
	var err error
	for range 3 { // Chromium may lose the picture of a page that is just renewed, and say nothing
		ctx, cancel := context.WithTimeout(b.ctx, patience/4)
		png, err = chromedp.Run(ctx, chromedp.FullScreenshot(100))
		cancel()
		if err == nil {
			break
		}
	}
	if err != nil {
		b.Fatalf("no picture %s: %v", name, err)
	}
	folder := filepath.Join("..", "..", "screenshots")
	if err := os.MkdirAll(folder, 0o750); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600); err != nil {
		b.Fatal(err)
	}
}

// axe is axe-core, which CRMHUB_TEST_AXE leads to: it is fetched for the tests and no part of the repository.
func axe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(os.Getenv("CRMHUB_TEST_AXE"))
	if err != nil {
		t.Fatalf("CRMHUB_TEST_AXE must lead to axe.min.js of npm's axe-core: %v", err)
	}
	return string(source)
}

// finding is a rule of axe that a page breaks, and where.
type finding struct {
	ID    string   `json:"id"`
	Help  string   `json:"help"`
	Nodes []string `json:"nodes"`
}

// judged is what axe finds on the page, with popovers closed and folds open.
func (b *tab) judged(source string) []finding {
	b.Helper()
	run(b, chromedp.Evaluate[bool](source+"; true"))
	return run(b, chromedp.Evaluate[[]finding](`axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((r) =>
		r.violations.map((v) => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + " " + (n.any[0]?.message ?? ""))})))`,
		chromedp.EvalAwaitPromise))
}

// Every page, in two views: each language, width and scheme is in one of them. English words are the longer ones, so they are the ones on
// the narrow screen.
func TestAxeFindsNothing(t *testing.T) {
	s := newSite(t)
	s.fill()
	s.sell("O-2", "2026-08-31", "EUR", "250")
	s.signIn()
	imported := s.uploaded("customer", "new.csv", customersFile)
	source := axe(t)
	paths := append(append(s.paths(), s.writing()...), imported, "/login")
	if only := os.Getenv("CRMHUB_TEST_PATH"); only != "" {
		paths = slices.DeleteFunc(paths, func(path string) bool { // such as /orders,/orders/id
			return !slices.Contains(strings.Split(only, ","), ids.ReplaceAllString(path, "id"))
		})
	}
	b := s.newTab()
	b.signsIn("ann", password)
	for _, view := range []struct {
		lang   string
		width  int64
		scheme string
	}{{"zh-CN", 1360, "light"}, {"en", 390, "dark"}} {
		b.goes("/account")
		b.fills("locale", view.lang)
		run(b, chromedp.Evaluate[bool](`document.querySelector('form[action="/account/language"]').requestSubmit() ?? true`))
		b.waits("document.documentElement.lang === " + quoted(view.lang) + " && document.querySelector('.notice')")
		run(b, chromedp.EmulateViewport(view.width, 900))
		_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: view.scheme}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			b.goes(path)
			for _, f := range b.judged(source) {
				t.Errorf("%s %v: %s: %s\n\t%s", path, view, f.ID, f.Help, strings.Join(f.Nodes, "\n\t"))
			}
			if overflow := run(b, chromedp.Evaluate[float64]("document.documentElement.scrollWidth - innerWidth")); overflow > 0 {
				t.Errorf("%s %v: wider than the window by %v", path, view, overflow)
			}
			name := strings.Trim(words.ReplaceAllString(ids.ReplaceAllString(path, "id"), "-"), "-")
			b.pictured(fmt.Sprintf("%s-%d-%s-%s", view.lang, view.width, view.scheme, name[:min(len(name), 60)]))
		}
	}
}

func TestSalesPersonGoesFromCustomerToOrder(t *testing.T) {
	s := newSite(t)
	s.fill()
	s.employ("bob", "sales")
	b := s.newTab()
	b.signsIn("bob", password)
	b.goes("/customers")
	b.presses("New customer")
	b.sees("New customer")
	b.fills("name", "Harbour Lights Ltd", "currency", "EUR")
	b.presses("Create")
	b.sees("Harbour Lights Ltd", "Log a contact")
	b.pictured("walk-customer")
	b.presses("Add order")
	b.sees("New order")
	b.waits(`document.querySelector('main button[value="add:lines"]')`)
	run(b, chromedp.Evaluate[bool](`document.querySelector('main [name="lines.0.qty"]') !== null || (document.querySelector('main button[value="add:lines"]').click() ?? true)`))
	b.waits(`document.querySelector('main [name="lines.0.qty"]')`)
	b.fills("lines.0.description", "Lantern", "lines.0.qty", "2", "lines.0.price", "125", "lines.0.unit", "pcs")
	b.presses("Create")
	b.sees("Lantern", "250.00 EUR", "Harbour Lights Ltd")
	b.presses("Submitted")
	b.sees("Status changed")
	b.pictured("walk-order")
}

func TestAdminMakesAUserWhoSeesWhatHeMay(t *testing.T) {
	s := newSite(t)
	s.fill()
	b := s.newTab()
	b.signsIn("ann", password)
	b.goes("/admin/users")
	b.presses("New user")
	b.sees("New user")
	b.fills("login", "fin", "name", "Finn Finance", "email", "finn@example.com")
	run(b, chromedp.Evaluate[bool](`document.querySelector('input[name="role"][value="finance"]').click() ?? true`))
	b.presses("Create")
	b.sees("Finn Finance can sign in now")
	b.pictured("walk-secret")
	first := run(b, chromedp.Evaluate[string](`document.getElementById("secret").value`))

	finn := s.newTab()
	finn.signsIn("fin", first)
	led := run(finn, chromedp.Evaluate[string](`document.querySelector(".navs").innerText`))
	if !strings.Contains(led, "Invoices") || strings.Contains(led, "Opportunities") || strings.Contains(led, "Audit trail") {
		t.Errorf("the finance person is led to:\n%s", led)
	}
	finn.goes("/opportunities")
	finn.sees("Your roles do not allow this")
	finn.goes("/account")
	finn.sees("Finn Finance")
	finn.pictured("walk-account")
}

func TestImportIsFollowedAndUndoneInTheBrowser(t *testing.T) {
	s := newSite(t)
	s.transfers()
	file := filepath.Join(t.TempDir(), "new.csv")
	if err := os.WriteFile(file, []byte(customersFile), 0o600); err != nil {
		t.Fatal(err)
	}
	b := s.newTab()
	b.signsIn("ann", password)
	b.goes("/imports")
	b.fills("entity", "customer")
	run(b, chromedp.SetUploadFiles("#file", []string{file}))
	b.presses("Upload")
	b.sees("File uploaded", "客户名称")
	b.fills("default_field.0", "currency", "default_value.0", "CNY")
	b.presses("Preview")
	b.sees("Ready to import", "Rows that will not be imported")
	b.pictured("walk-import-preview")
	b.presses("Import now")
	b.sees("Show customers")
	b.pictured("walk-import-done")
	b.presses("Undo…")
	b.presses("Undo the import")
	b.waits(`[...document.querySelectorAll("main .badge")].some((e) => e.textContent.trim() === "Undone")`) // what is counted is called so, too
	b.goes("/customers")
	b.sees("No customers")
}

func TestFinanceGoesFromUBLFileToMatchedPayment(t *testing.T) {
	s := newSite(t)
	s.fill()
	s.transfers()
	s.employ("fin", "finance")
	folder := t.TempDir()
	invoice, list := filepath.Join(folder, "R-2.xml"), filepath.Join(folder, "bank.csv")
	for path, content := range map[string]string{
		invoice: ubl(t, "R-2"),
		list:    "number,customer code,date,currency,amount,reference\nP-1,C1,2026-04-01,EUR,969.85,Invoice R-2 with thanks\n",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := s.newTab()
	b.signsIn("fin", password)
	b.goes("/finance/inbox")
	b.waits(`document.querySelector("#file")`)
	run(b, chromedp.SetUploadFiles("#file", []string{invoice}))
	b.presses("Upload")
	b.sees("BR-01", "969.85 EUR", "Example Holding Ltd", "No customer looks like the buyer")
	b.fills("customer", "müller")
	b.presses("Find")
	b.sees("found by its name")
	b.pictured("walk-finance-inbox")
	run(b, chromedp.Evaluate[bool](`document.querySelector('main input[name="customer_id"]').click() ?? true`))
	b.presses("Accept the invoice")
	b.sees("Invoice accepted", "BR-01", "R-2.xml")
	b.pictured("walk-finance-invoice")

	b.goes("/finance/payments")
	b.presses("Import payment list")
	b.waits(`document.querySelector("#file")`)
	b.fills("entity", "payment")
	run(b, chromedp.SetUploadFiles("#file", []string{list}))
	b.presses("Upload")
	b.sees("File uploaded")
	b.presses("Preview")
	b.sees("Ready to import")
	b.pictured("walk-finance-list")
	b.presses("Import now")
	b.sees("Show payments")
	b.goes("/finance/payments")
	b.sees("P-1", "number named", "R-2")
	b.pictured("walk-finance-proposal")
	b.presses("Accept P-1")
	b.sees("Matched to", "Undo", "0.00 EUR")
	b.pictured("walk-finance-matched")
	b.goes("/finance/receivables?as_of=2026-11-30")
	b.sees("4,444.20") // of R-1 alone
	if said := run(b, chromedp.Evaluate[string]("document.querySelector('main').innerText")); strings.Contains(said, "969.85") || strings.Contains(said, "5,414.05") {
		t.Errorf("what is paid is owed:\n%s", said)
	}
	b.pictured("walk-finance-receivables")
	b.goes("/")
	b.sees("No payments to match")
	b.pictured("walk-finance-home")
}

// What moves on the overview shows without a reload, and the focus stays where it was.
func TestSyncIsFollowedInTheBrowser(t *testing.T) {
	s := newSite(t)
	s.fill()
	b := s.newTab()
	b.signsIn("ann", password)
	b.goes("/sync")
	b.sees("Needs attention")
	b.waits(`!document.querySelector("[data-live-sign]").hidden`)
	run(b, chromedp.Evaluate[bool](`(() => { window.loaded = true; document.querySelector(".flows .system a").focus(); return true })()`))
	s.tx(func(tx pgx.Tx) error {
		_, err := job.Dismiss(t.Context(), tx, s.letter, "a test")
		return err
	})
	b.waits(`!document.querySelector("main").innerText.includes("Needs attention")`)
	if stayed := run(b, chromedp.Evaluate[bool](`window.loaded === true && document.activeElement.matches(".flows .system a") && document.activeElement.isConnected`)); !stayed {
		t.Error("the page was loaded anew, or the focus is lost")
	}
	b.pictured("walk-sync")
}

// Rows of a list are gone through and chosen by keys alone.
func TestListsAreWalkedByKeysInTheBrowser(t *testing.T) {
	s := newSite(t)
	s.fill()
	s.twin()
	b := s.newTab()
	b.signsIn("ann", password)
	b.goes("/customers")
	key := func(key string) {
		run(b, chromedp.Evaluate[bool](`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: `+quoted(key)+`, bubbles: true, cancelable: true})) || true`))
	}
	at := func() float64 {
		return run(b, chromedp.Evaluate[float64](`[...document.querySelectorAll("main tbody tr")].indexOf(document.activeElement.closest("tr"))`))
	}
	run(b, chromedp.Evaluate[bool](`document.getElementById("q").focus() ?? true`))
	for _, step := range []struct {
		key  string
		want float64
	}{{"ArrowDown", 0}, {"ArrowDown", 1}, {"ArrowDown", 1}, {"ArrowUp", 0}, {"End", 1}, {"x", 1}} {
		key(step.key)
		if got := at(); got != step.want {
			t.Errorf("after %s the focus is in row %v, not %v", step.key, got, step.want)
		}
	}
	if chosen := run(b, chromedp.Evaluate[float64](`document.querySelectorAll("main input[name=id]:checked").length`)); chosen != 1 {
		t.Errorf("%v rows are chosen", chosen)
	}
}

// What a button in a table opens is not cut off by the table: it can be pressed where it stands.
func TestPanelsOfTablesAreWholeInTheBrowser(t *testing.T) {
	s := newSite(t)
	s.signIn()
	s.do("POST", "/account/tokens", form("name", "nightly", "scope.customer", "read")).wants(t, 200, "Token for nightly")
	b := s.newTab()
	b.signsIn("ann", password)
	for _, width := range []int64{1360, 390} {
		run(b, chromedp.EmulateViewport(width, 900))
		b.goes("/account/tokens")
		b.waits(`document.querySelector("main td details summary")`)
		if seen := run(b, chromedp.Evaluate[bool](`(() => {
			document.querySelector("main td details summary").click();
			const button = document.querySelector("main td .panel button"), box = button.getBoundingClientRect();
			return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2) === button;
		})()`)); !seen {
			t.Errorf("%d wide, the panel is cut off", width)
		}
	}
	b.pictured("walk-token")
}
