package simulator_test

import (
	"net/http"
	"testing"

	"crmhub/connectors/simulator"
	"crmhub/core/schema"
	"crmhub/schemas"
)

func TestRecordsAreAsTheirSchemasSay(t *testing.T) {
	t.Parallel()
	set, err := schema.Load(schemas.FS)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, simulator.Config{})
	r.trade()
	r.do(http.StatusCreated, "POST", r.ERPURL()+"/orders", order("O1"))
	for range 6 {
		r.Tick()
	}
	for path, file := range map[string]string{
		r.ERPURL() + "/parties":      "simulator-erp/party.json",
		r.ERPURL() + "/articles":     "simulator-erp/article.json",
		r.ERPURL() + "/orders":       "simulator-erp/order.json",
		r.FinanceURL() + "/clients":  "simulator-finance/client.json",
		r.FinanceURL() + "/sales":    "simulator-finance/sale.json",
		r.FinanceURL() + "/invoices": "simulator-finance/invoice.json",
		r.FinanceURL() + "/receipts": "simulator-finance/receipt.json",
	} {
		s, ok := set.Get(file)
		if !ok {
			t.Fatalf("there is no %s", file)
		}
		page := r.do(http.StatusOK, "GET", path, "")
		records, _ := page["data"].([]any)
		if items, ok := page["items"].([]any); ok {
			records = items
		}
		if len(records) != 1 {
			t.Errorf("%s: %d records, not 1", path, len(records))
		}
		for _, record := range records {
			if err := s.Validate(record).Err(); err != nil {
				t.Errorf("%s: %v\n%v", file, err, record)
			}
		}
	}
}
