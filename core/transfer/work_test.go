package transfer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/crm"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/sheet"
	"crmhub/core/transfer"
)

// exec runs a statement as the organization.
func (f *fixture) exec(sql string, args ...any) {
	f.Helper()
	f.as(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sql, args...)
		return err
	})
}

func manyCustomers(n int) string {
	var b strings.Builder
	b.WriteString("code,name\n")
	for i := range n {
		fmt.Fprintf(&b, "C%05d,Name\n", i)
	}
	return b.String()
}

func TestCancelledRunKeepsWhatItWroteAndGoesOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	i := f.upload(crm.KindCustomer, "x.csv", manyCustomers(2500))
	f.begin(i, f.store.Run)
	f.exec(`update imports set cancel_requested = true where id = $1`, i.ID)
	f.work()
	if i = f.get(i); i.Status != transfer.Cancelled || i.Created != 0 {
		t.Fatalf("%s: %+v", i.Status, i.Counts)
	}
	i = f.do(i, f.store.Run)
	if d := cmp.Diff(transfer.Counts{Rows: 2500, Created: 2500}, i.Counts); d != "" || i.Status != transfer.Done {
		t.Errorf("%s: %s", i.Status, d)
	}
}

// A worker that dies leaves its import to another one, which goes on behind the last batch.
func TestAnotherWorkerGoesOnBehindTheLastBatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	i := f.upload(crm.KindCustomer, "x.csv", manyCustomers(2500))
	f.begin(i, f.store.Run)
	dead, die := postgrestest.Worker(t, f.db)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = f.runner.Step(ctx, dead)
	}()
	for f.get(i).Rows == 0 {
	}
	cancel()
	<-done
	die()
	before := f.get(i)
	f.work()
	i = f.get(i)
	if d := cmp.Diff(transfer.Counts{Rows: 2500, Created: 2500}, i.Counts); d != "" || i.Status != transfer.Done {
		t.Errorf("after %d rows: %s %s %s", before.Rows, i.Status, i.Error, d)
	}
}

func TestAFileThatCannotBeReadOnEndsTheRunAndSaysWhere(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	content := manyCustomers(1200) + "X,\"open\n" + strings.Repeat("filler,filler\n", 200_000)
	i := f.upload(crm.KindCustomer, "x.csv", content)
	i = f.do(i, f.store.Preview)
	if i.Status != transfer.Uploaded || !strings.Contains(i.Error, "after line 1201") {
		t.Errorf("preview is %s: %s", i.Status, i.Error)
	}
	i = f.do(i, f.store.Run)
	if i.Status != transfer.Failed || i.Created != 1200 || !strings.Contains(i.Error, "quotation mark") {
		t.Errorf("run is %s: %s %+v", i.Status, i.Error, i.Counts)
	}
	if i = f.do(i, f.store.Undo); i.Status != transfer.Undone || i.Undone != 1200 {
		t.Errorf("undo is %s: %+v", i.Status, i.Counts)
	}
}

func TestExportsComeBackAsImports(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	customer := &crm.Customer{Code: "K1", Name: "=北京 \"某\", 公司", Phone: "+49 30 1", Remark: "two\nlines", Tags: []string{"key account", "vip"}}
	f.save(customer)
	f.save(&crm.Product{SKU: "P1", Name: "One"})
	product := crm.HeadOf(f.all(crm.KindProduct, "sku")[0]).ID
	day, err := crm.ParseDate("2026-01-02")
	if err != nil {
		t.Fatal(err)
	}
	order := &crm.Order{Number: "O-1", CustomerID: customer.ID, Date: day, Currency: "CNY"}
	for range 2 {
		order.Lines = append(order.Lines, crm.OrderLine{ProductID: &product, Qty: dec("2"), Price: dec("3.5")})
	}
	f.save(order)
	for _, format := range []sheet.Format{sheet.CSV, sheet.XLSX} {
		customers := f.export(transfer.NewExport{Entity: crm.KindCustomer, Format: format})
		orders := f.export(transfer.NewExport{
			Entity: crm.KindOrder, Format: format, Query: crm.Query{Sort: []crm.Sort{{Field: "date"}}},
			Columns: []string{"number", "date", "customer_id/code", "currency", "lines/product_id/sku", "lines/qty", "lines/price"},
		})
		again := newFixture(t)
		again.save(&crm.Product{SKU: "P1", Name: "One"})
		for kind, file := range map[crm.Kind][]byte{crm.KindCustomer: customers} {
			i := again.uploadFrom(kind, "x", bytes.NewReader(file))
			if i = again.do(i, again.store.Run); i.Status != transfer.Done || i.Refused > 0 {
				t.Fatalf("%s: %s %s %+v\n%s", format, i.Status, i.Error, i.Counts, again.refusals(i))
			}
		}
		i := again.uploadFrom(crm.KindOrder, "x", bytes.NewReader(orders))
		if i = again.do(i, again.store.Run); i.Status != transfer.Done || i.Refused > 0 {
			t.Fatalf("%s: %s %s %+v\n%s", format, i.Status, i.Error, i.Counts, again.refusals(i))
		}
		for _, kind := range []crm.Kind{crm.KindCustomer, crm.KindOrder} {
			for _, field := range []string{"remark", "tags"} {
				want, got := crm.Text(f.all(kind, "id")[0], field), crm.Text(again.all(kind, "id")[0], field)
				if want != got {
					t.Errorf("%s: %s of %s came back as %q, was %q", format, field, kind, got, want)
				}
			}
		}
		back, _ := again.all(crm.KindOrder, "number")[0].(*crm.Order)
		if !back.Total.Equal(order.Total) || len(back.Lines) != 2 || back.Date != order.Date {
			t.Errorf("%s: the order came back as %+v", format, back)
		}
	}
}

func dec(s string) decimal.Decimal { return decimal.RequireFromString(s) }

func (f *fixture) export(in transfer.NewExport) []byte {
	f.Helper()
	var e transfer.Export
	f.as(func(ctx context.Context, tx pgx.Tx) (err error) {
		e, err = f.store.Export(ctx, tx, f.crm, in)
		return err
	})
	f.work()
	var b []byte
	f.as(func(ctx context.Context, tx pgx.Tx) (err error) {
		e, err = f.store.GetExport(ctx, tx, e.ID)
		return err
	})
	r, err := f.store.File(f.Context(), f.db, f.who, e)
	if err == nil {
		b, err = io.ReadAll(r)
	}
	if err != nil {
		f.Fatalf("%v: %s", err, e.Error)
	}
	if int64(len(b)) != e.Size {
		f.Errorf("the file has %d bytes, not %d", len(b), e.Size)
	}
	return b
}

// dirty opens a real file that is not part of the project, below CRMHUB_TEST_DATA. deploy/test.sh sets it where there are such.
func dirty(t *testing.T, name string) (io.Reader, bool) {
	t.Helper()
	dir := os.Getenv("CRMHUB_TEST_DATA") //nolint:forbidigo // data that is no part of the project
	if dir == "" {
		return nil, false // a few lines like theirs stand for them
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return z, true
}

// A web shop's 30,000 invoice lines in no order: returns, cancelled invoices, missing customers, prices of zero.
func TestOnlineRetailGoesIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	file, ok := dirty(t, "online-retail/online-retail-sample.csv.gz")
	if !ok {
		file = strings.NewReader(`InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,HOLDER ,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527.0,United Kingdom
536365,71053,LANTERN,6,2010-12-01 08:26:00,3.39,17850.0,United Kingdom
536414,22139,,56,2010-12-01 11:52:00,0.0,,United Kingdom
`)
	}
	content, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	i := f.upload(crm.KindCustomer, "online-retail.csv", string(content))
	i = f.change(i, transfer.Change{
		Fields:   &[]string{"", "", "", "", "", "", "code", "addresses/country"},
		Defaults: &map[string]string{"name": "Customer of the shop"}, Mode: new(transfer.Create),
	})
	i = f.do(i, f.store.Run)
	if i.Status != transfer.Done || i.Created == 0 {
		t.Fatalf("customers: %s %s %+v", i.Status, i.Error, i.Counts)
	}
	t.Logf("customers: %+v", i.Counts)
	i = f.upload(crm.KindOrder, "online-retail.csv", string(content))
	i = f.change(i, transfer.Change{
		Fields:   &[]string{"number", "", "lines/description", "lines/qty", "date", "lines/price", "customer_id/code", ""},
		Defaults: &map[string]string{"currency": "GBP"},
	})
	i = f.do(i, f.store.Run)
	t.Logf("orders: %+v", i.Counts)
	f.wantAccounted(i)
	if !strings.Contains(f.refusals(i), "must be positive (minimum)") || !strings.Contains(f.refusals(i), "/customer_id: is required (required)") {
		t.Error("cancelled invoices and those without a customer are not refused for that")
	}
}

// wantAccounted demands that each row went in or is in the error file.
func (f *fixture) wantAccounted(i transfer.Import) {
	f.Helper()
	if i.Status != transfer.Done || i.Created == 0 {
		f.Fatalf("%s %s %+v", i.Status, i.Error, i.Counts)
	}
	var refused, lines int64
	f.as(func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `select (select count(*) from import_refusals where import_id = $1),
			(select count(*) from order_lines) + (select count(*) from payments)`, i.ID).Scan(&refused, &lines)
	})
	if refused != i.Refused || refused+lines != i.Rows {
		f.Errorf("of %d rows %d went in and %d are in the error file, which counts %d", i.Rows, lines, refused, i.Refused)
	}
}

// 69,659 purchases in columns; each is a payment.
func TestCDNOWGoesIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	file, ok := dirty(t, "cdnow/cdnow-master.txt.gz")
	if !ok {
		file = strings.NewReader(" customer_id  date number_of_cds  dollar_value\r\n 00001 19970101  1   11.77\r\n 00002 19970112  1   12.00\r\n 00002 19970112  5    0.00\r\n")
	}
	content, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	i := f.upload(crm.KindCustomer, "cdnow.txt", string(content))
	i = f.change(i, transfer.Change{Fields: &[]string{"code", "", "", ""}, Defaults: &map[string]string{"name": "Buyer", "kind": "person"}, Mode: new(transfer.Create)})
	i = f.do(i, f.store.Run)
	t.Logf("customers: %+v", i.Counts)
	i = f.upload(crm.KindPayment, "cdnow.txt", string(content))
	i = f.change(i, transfer.Change{Fields: &[]string{"customer_id/code", "date", "ext/cds", "amount"}, Defaults: &map[string]string{"currency": "USD"}})
	i = f.do(i, f.store.Run)
	t.Logf("payments: %+v", i.Counts)
	f.wantAccounted(i)
	if !strings.Contains(f.refusals(i), "/amount: is required (required)") {
		t.Error("purchases of nothing are not refused for that")
	}
}
