package transfer_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/xuri/excelize/v2"

	"crmhub/core/crm"
	"crmhub/core/schema"
	"crmhub/core/sheet"
	"crmhub/core/transfer"
)

const customers = `客户编码,客户名称,统一社会信用代码,电话,信用额度,城市,备注
C1,北京某某科技有限公司,91110108MA00000000,010-12345678,"10,000.50",北京,一
C2,Acme GmbH,,+49 30 1234,500,Berlin,
C3,,,x,"1,23.4",,
C1,Again,,,,,
`

func TestImportSensesPreviewsRunsAndUndoes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	i := f.upload(crm.KindCustomer, "客户.csv", customers)
	var fields []string
	for _, c := range i.Columns {
		fields = append(fields, c.Field)
	}
	want := []string{"code", "name", "uscc", "phone", "credit_limit", "addresses/city", "remark"}
	if d := cmp.Diff(want, fields); d != "" {
		t.Fatal("sensed fields:", d)
	}
	if d := cmp.Diff(sheet.Form{Format: sheet.CSV, Encoding: "utf-8", Delimiter: ",", Decimal: sheet.Point, Header: true}, i.Form); d != "" {
		t.Fatal("sensed form:", d)
	}
	if d := cmp.Diff([]string{"code"}, i.MatchBy); d != "" {
		t.Fatal("proposed keys:", d)
	}

	i = f.do(i, f.store.Preview)
	counts := transfer.Counts{Rows: 4, Created: 2, Duplicate: 1, Refused: 1}
	if d := cmp.Diff(counts, i.Counts); d != "" || i.Status != transfer.Previewed {
		t.Fatalf("preview is %s: %s %s", i.Status, i.Error, d)
	}
	var results []string
	for _, o := range i.Preview {
		results = append(results, o.Result)
	}
	if d := cmp.Diff([]string{"create", "create", "error", "duplicate"}, results); d != "" {
		t.Error("previewed:", d)
	}
	if found := f.all(crm.KindCustomer, "code"); len(found) != 0 {
		t.Errorf("a dry run wrote %d customers", len(found))
	}

	i = f.do(i, f.store.Run)
	if d := cmp.Diff(counts, i.Counts); d != "" || i.Status != transfer.Done {
		t.Fatalf("run is %s: %s %s", i.Status, i.Error, d)
	}
	refused := `客户编码,客户名称,统一社会信用代码,电话,信用额度,城市,备注,row,reason
C3,,,x,"1,23.4",,,4,/credit_limit: has points or commas where the decimal mark explains none (ambiguous); /phone: must be a phone number like +86 10 1234 5678 (format)
C1,Again,,,,,,5,/code: is in an earlier row of this file (duplicate)
`
	if d := cmp.Diff(refused, f.refusals(i)); d != "" {
		t.Error("error file:", d)
	}
	found := f.all(crm.KindCustomer, "code")
	if len(found) != 2 {
		t.Fatalf("there are %d customers", len(found))
	}
	first, _ := found[0].(*crm.Customer)
	if first.Name != "北京某某科技有限公司" || first.CreditLimit.String() != "10000.5" || first.Addresses[0].City != "北京" {
		t.Errorf("imported %+v", first)
	}

	again := f.upload(crm.KindCustomer, "copy.csv", customers)
	if again.Repeats == nil || *again.Repeats != i.ID {
		t.Error("the same file was not noticed")
	}

	second, _ := found[1].(*crm.Customer)
	second.Remark = "touched"
	f.save(second)
	i = f.do(i, f.store.Undo)
	if i.Status != transfer.Undone || i.Undone != 1 || i.Kept != 1 {
		t.Errorf("undo is %s: %d undone, %d kept", i.Status, i.Undone, i.Kept)
	}
	if found := f.all(crm.KindCustomer, "code"); len(found) != 1 || crm.Text(found[0], "code") != "C2" {
		t.Errorf("%d customers are left", len(found))
	}
}

// A comma that somebody forgot to quote moves every cell behind it: such a row is refused, not taken as it falls.
func TestARowWiderThanTheTableIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	i := f.do(f.upload(crm.KindCustomer, "x.csv", "code,name,remark\nA,Acme, Inc.,net 30\nB,Beta,fine,,\n"), f.store.Run)
	if d := cmp.Diff(transfer.Counts{Rows: 2, Created: 1, Refused: 1}, i.Counts); d != "" {
		t.Errorf("%s %s: %s", i.Status, i.Error, d)
	}
	if got := f.refusals(i); !strings.Contains(got, "has 4 cells, more than the 3 columns") {
		t.Error("error file:", got)
	}
}

// Who mends a refused row sees all that is wrong with it, whichever stage notices.
func TestARefusedRowNamesAllItsFaults(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	i := f.upload(crm.KindCustomer, "x.csv", "name,currency,credit_limit,phone,lifecycle,owner_id,parent_id/code\n"+
		",EURO,abc,1,nonsense,nobody,NOPE\nOk,EUR,5,x,lead,,NOPE\nFine,EUR,5,+49 30 123456,lead,,\n")
	i = f.change(i, transfer.Change{Mode: new(transfer.Create)})
	i = f.do(i, f.store.Run)
	if d := cmp.Diff(transfer.Counts{Rows: 3, Created: 1, Refused: 2}, i.Counts); d != "" {
		t.Errorf("%s %s: %s", i.Status, i.Error, d)
	}
	lines := strings.Split(f.refusals(i), "\n")
	for n, want := range map[int][]string{
		1: {"/name: is required", "/currency: must be an ISO", "/credit_limit: must be a number", "/phone: must be a phone number", "/lifecycle: must be one of", "/owner_id: must be a UUID", "/parent_id: there is no customer"},
		2: {"/phone: must be a phone number", "/parent_id: there is no customer"},
	} {
		for _, fault := range want {
			if strings.Count(lines[n], fault) != 1 {
				t.Errorf("row %d does not say once %q: %s", n, fault, lines[n])
			}
		}
	}
	// Of one that may be an update nobody knows what it lacks.
	i = f.do(f.upload(crm.KindCustomer, "y.csv", "code,name,phone,employees\nC1,,+49 30 123456,many\n"), f.store.Run)
	if got := f.refusals(i); strings.Contains(got, "/name") || !strings.Contains(got, "/employees") {
		t.Error("error file:", got)
	}
}

// Files are put together of several, each with its mark, and have columns of one name.
func TestMarksAndNamesThatComeAgainAreNoData(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	i := f.upload(crm.KindCustomer, "x.csv", "\ufeffname,phone,phone\nAcme,+49 30 123456,+49 30 654321\n\ufeffBeta ,\u200b,\n")
	if i.Columns[1].Field != "phone" || i.Columns[2].Field != "" {
		t.Errorf("sensed %+v", i.Columns)
	}
	i = f.do(i, f.store.Run)
	if d := cmp.Diff(transfer.Counts{Rows: 2, Created: 2}, i.Counts); d != "" {
		t.Errorf("%s %s: %s\n%s", i.Status, i.Error, d, f.refusals(i))
	}
	var names []string
	for _, c := range f.all(crm.KindCustomer, "name") {
		names = append(names, crm.Text(c, "name"))
	}
	if d := cmp.Diff([]string{"Acme", "Beta"}, names); d != "" {
		t.Error(d)
	}
}

func TestAnImportWithAnOpenQuoteFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	i := f.do(f.upload(crm.KindCustomer, "x.csv", "code,name\nA,Alpha\nB,\"Beta\nC,Gamma\n"), f.store.Run)
	if i.Status != transfer.Failed || !strings.Contains(i.Error, "line 3: a quotation mark is not closed") {
		t.Errorf("%s: %q, %+v", i.Status, i.Error, i.Counts)
	}
	for _, e := range f.all(crm.KindCustomer, "code") {
		if crm.Text(e, "code") != "A" {
			t.Errorf("imported %+v", e)
		}
	}
}

func TestUpdatesAreMergedAndRestored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.save(
		&crm.Customer{Code: "A", Name: "Alpha", Phone: "030 1", Remark: "stays"},
		&crm.Customer{Code: "B", Name: "Beta"},
		&crm.Customer{Code: "C", Name: "Gamma"},
	)
	i := f.upload(crm.KindCustomer, "x.csv", "code;phone;name\nA;030 2;\nB;;Beta\nD;;Delta\nC;;\n")
	i = f.change(i, transfer.Change{Mode: new(transfer.Update)})
	i = f.do(i, f.store.Run)
	if d := cmp.Diff(transfer.Counts{Rows: 4, Updated: 1, Unchanged: 2, Refused: 1}, i.Counts); d != "" {
		t.Fatalf("%s %s: %s", i.Status, i.Error, d)
	}
	a, _ := f.all(crm.KindCustomer, "code")[0].(*crm.Customer)
	if a.Phone != "030 2" || a.Name != "Alpha" || a.Remark != "stays" || a.Version != 2 {
		t.Errorf("updated: %+v", a)
	}
	i = f.do(i, f.store.Undo)
	a, _ = f.all(crm.KindCustomer, "code")[0].(*crm.Customer)
	if i.Undone != 1 || a.Phone != "030 1" || a.Version != 3 {
		t.Errorf("%d undone; restored: %+v", i.Undone, a)
	}
}

func TestCreateOnlyRefusesWhatIsThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.save(&crm.Product{SKU: "P1", Name: "One"})
	i := f.upload(crm.KindProduct, "p.csv", "SKU\tName\tPrice\nP1\tEins\t1\nP2\tZwei\t2\n")
	i = f.change(i, transfer.Change{Mode: new(transfer.Create), Fields: &[]string{"sku", "name", "list_price"}})
	i = f.do(i, f.store.Run)
	if d := cmp.Diff(transfer.Counts{Rows: 2, Created: 1, Duplicate: 1}, i.Counts); d != "" {
		t.Errorf("%s %s: %s", i.Status, i.Error, d)
	}
}

// What only the database can tell of a row (a code that another key's owner has) keeps no other row out.
func TestRowsThatOnlyTheDatabaseRefusesAreFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.save(&crm.Customer{Code: "A", Name: "Alpha", USCC: "91110108MA00000000"})
	var b strings.Builder
	b.WriteString("code,name,uscc\n")
	for n := range 50 {
		b.WriteString("N" + string(rune('A'+n%26)) + string(rune('A'+n/26)) + ",Name,")
		if n == 7 || n == 31 {
			b.WriteString("91110108MA00000000")
		}
		b.WriteString("\n")
	}
	i := f.upload(crm.KindCustomer, "x.csv", b.String())
	i = f.do(i, f.store.Run)
	if d := cmp.Diff(transfer.Counts{Rows: 50, Created: 48, Refused: 2}, i.Counts); d != "" {
		t.Errorf("%s %s: %s\n%s", i.Status, i.Error, d, f.refusals(i))
	}
}

func TestOrdersAreBroughtTogetherByTheirNumber(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.save(&crm.Customer{Code: "K1", Name: "Kunde"})
	f.save(&crm.Product{SKU: "P1", Name: "One"})
	i := f.upload(crm.KindOrder, "orders.csv", `订单号,客户编码,日期,商品编码,数量,单价,币种
O-1,K1,2026/1/2,P1,2,3.5,CNY
O-2,K1,2026年1月3日,P1,-1,1,CNY
O-1,K1,2026-01-02,,1,10,CNY
O-2,K1,2026-01-03,P1,1,1,CNY
O-3,K9,2026-01-03,P1,1,1,CNY
O-4,K1,2026-01-03,P1,1,1,CNY
O-4,K1,2026-01-04,P1,1,1,CNY
,K1,2026-01-04,P1,1,1,CNY
`)
	if i.GroupBy != "number" {
		t.Fatalf("grouped by %q: %+v", i.GroupBy, i.Columns)
	}
	for _, what := range []begin{f.store.Preview, f.store.Run} {
		i = f.do(i, what)
		if d := cmp.Diff(transfer.Counts{Rows: 8, Created: 1, Refused: 6}, i.Counts); d != "" {
			t.Fatalf("%s %s: %s", i.Status, i.Error, d)
		}
	}
	o, _ := f.all(crm.KindOrder, "number")[0].(*crm.Order)
	if o.Number != "O-1" || len(o.Lines) != 2 || o.Total.String() != "17" || o.Lines[0].ProductID == nil || o.Date.String() != "2026-01-02" {
		t.Errorf("imported %+v", o)
	}
	want := `订单号,客户编码,日期,商品编码,数量,单价,币种,row,reason
O-2,K1,2026年1月3日,P1,'-1,1,CNY,3,/lines/0/qty: must be positive (minimum)
O-2,K1,2026-01-03,P1,1,1,CNY,5,"/: belongs together with row 3, which was refused (group)"
O-3,K9,2026-01-03,P1,1,1,CNY,6,"/customer_id: there is no customer, or more than one, with this code (exists)"
O-4,K1,2026-01-03,P1,1,1,CNY,7,/date: differs between the rows of one order (same)
O-4,K1,2026-01-04,P1,1,1,CNY,8,/date: differs between the rows of one order (same)
,K1,2026-01-04,P1,1,1,CNY,9,"/: lacks the number that says which rows belong together, or it is too long (required)"
`
	if d := cmp.Diff(want, f.refusals(i)); d != "" {
		t.Error(d)
	}
}

// A workbook's text that may be thousands or thousandths is refused as in a CSV file, also in rows that are brought together.
func TestTextsOfAWorkbookAreReadAsText(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.save(&crm.Customer{Code: "K1", Name: "Kunde"})
	book := excelize.NewFile()
	for n, row := range [][]any{
		{"number", "customer code", "date", "description", "qty", "price", "currency"},
		{"O-1", "K1", "2026-01-02", "a", 1.155, 2, "EUR"},
		{"O-2", "K1", "2026-01-02", "b", "1.155", 2, "EUR"},
		{"O-3", "K1", "2026-01-02", "c", 1, "2", "EUR"},
	} {
		if err := book.SetSheetRow("Sheet1", fmt.Sprintf("A%d", n+1), &row); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := book.Write(&b); err != nil {
		t.Fatal(err)
	}
	i := f.upload(crm.KindOrder, "orders.xlsx", b.String())
	if i.GroupBy != "number" || i.Form.Decimal != "" {
		t.Fatalf("grouped by %q, with a decimal %s", i.GroupBy, i.Form.Decimal)
	}
	i = f.do(i, f.store.Run)
	if d := cmp.Diff(transfer.Counts{Rows: 3, Created: 2, Refused: 1}, i.Counts); d != "" {
		t.Fatalf("%s %s: %s", i.Status, i.Error, d)
	}
	if got := f.refusals(i); !strings.Contains(got, "O-2") || !strings.Contains(got, "ambiguous") {
		t.Error(got)
	}
	for _, e := range f.all(crm.KindOrder, "number") {
		if o, _ := e.(*crm.Order); o.Number == "O-1" && o.Lines[0].Qty.String() != "1.155" {
			t.Errorf("%s was ordered", o.Lines[0].Qty)
		}
	}
}

func TestWhatCannotBeMappedIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	i := f.upload(crm.KindCustomer, "x.csv", "code,name,x\n1,a,b\n")
	_, err := f.store.ChangeImport(t.Context(), f.db, f.who, i.ID, transfer.Change{
		Fields: &[]string{"name", "name", "colour"}, MatchBy: &[]string{"phone", "code"}, GroupBy: new("addresses/city"), Mode: new(transfer.Mode("all")),
	})
	vs, _ := errors.AsType[schema.Violations](err)
	var got []string
	for _, v := range vs {
		got = append(got, v.Pointer+" "+v.Rule)
	}
	want := []string{"/fields/1 unique", "/fields/2 field", "/mode enum", "/match_by/0 field", "/match_by/1 field", "/group_by field"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestOnlyWhatStandsSoCanBeAsked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	i := f.upload(crm.KindCustomer, "x.csv", "code,name\n1,a\n")
	i = f.do(i, f.store.Run)
	for name, what := range map[string]begin{"run": f.store.Run, "preview": f.store.Preview, "cancel": f.store.Cancel} {
		err := f.db.As(t.Context(), f.who, func(tx pgx.Tx) error {
			_, err := what(t.Context(), tx, i.ID)
			return err
		})
		if !errors.Is(err, transfer.ErrStatus) {
			t.Errorf("%s what is done: %v", name, err)
		}
	}
}
