package ledger

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/shopspring/decimal"
)

// accounts is the configuration: where amounts are posted.
type accounts struct {
	Format      string  `json:"format"`
	Base        string  `json:"base_currency"`
	Receivables string  `json:"receivables"`
	Prepayments string  `json:"prepayments"`
	Revenue     []rule  `json:"revenue"`
	Tax         []rule  `json:"tax"`
	Money       []rule  `json:"money"`
	Rounding    string  `json:"rounding"`
	syntax      grammar // of Format
}

// rule says where something is posted. A condition that is not set holds.
type rule struct {
	Account  string           `json:"account"`
	SKU      string           `json:"sku"`
	Category string           `json:"category"`
	TaxRate  *decimal.Decimal `json:"tax_rate"`
	Rate     *decimal.Decimal `json:"rate"`
	Method   string           `json:"method"`
	Currency string           `json:"currency"`
}

// subject is what the conditions are about.
type subject struct {
	sku, category, method, currency string
	rate                            *decimal.Decimal // nil: unknown
}

func parseAccounts(config map[string]any) (*accounts, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	var a accounts
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	a.Receivables = cmp.Or(a.Receivables, "Assets:Receivable")
	a.Prepayments = cmp.Or(a.Prepayments, "Liabilities:Prepayments")
	a.Rounding = cmp.Or(a.Rounding, "Expenses:Rounding")
	a.syntax = beancount{}
	if a.Format == "hledger" {
		a.syntax = hledger{}
	}
	return &a, nil
}

func (a *accounts) revenue(s subject) string { return s.first(a.Revenue, "Income:Sales") }
func (a *accounts) tax(s subject) string     { return s.first(a.Tax, "Liabilities:Tax") }
func (a *accounts) money(s subject) string   { return s.first(a.Money, "Assets:Bank") }

// first is the account of the first rule that fits.
func (s subject) first(rules []rule, otherwise string) string {
	same := func(condition, is string) bool { return condition == "" || condition == is }
	rate := func(condition *decimal.Decimal) bool {
		return condition == nil || s.rate != nil && condition.Equal(*s.rate)
	}
	for _, r := range rules {
		if same(r.SKU, s.sku) && same(r.Category, s.category) && same(r.Method, s.method) && same(r.Currency, s.currency) && rate(r.TaxRate) && rate(r.Rate) {
			return r.Account
		}
	}
	return otherwise
}
