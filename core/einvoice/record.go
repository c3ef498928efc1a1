package einvoice

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/shopspring/decimal"
)

// Record returns the invoice as a file connector hands it to a mapping: JSON values, amounts as strings. It is what
// schemas/file/ubl_invoice.json describes. Amounts have the hub's signs: those of a credit note are negative. Allowances
// and charges of the whole document are positions like others, so that the positions add up to untaxed.
func (v *Invoice) Record(findings []Finding) (map[string]any, error) {
	r := record{
		Kind: "invoice", Number: v.Number, TypeCode: v.TypeCode, IssueDate: v.IssueDate, DueDate: v.DueDate, Currency: v.Currency,
		Order: v.Order, SalesOrder: v.SalesOrder, BuyerReference: v.BuyerReference, Contract: v.Contract, Terms: v.Terms, Notes: v.Notes,
		Seller: v.Seller, Buyer: v.Buyer, Preceding: v.Preceding, Payment: v.Payment, Positions: []position{}, Findings: make([]fault, len(findings)),
	}
	sign := decimal.NewFromInt(1)
	for i, f := range findings {
		r.Findings[i] = fault{f.Rule, f.Severity, f.Term, f.Place, f.Line, f.Message.English}
	}
	if v.CreditNote {
		r.Kind, sign = "credit_note", sign.Neg()
	}
	signed := func(a Amount) Amount {
		a.Decimal = a.Decimal.Mul(sign)
		return a
	}
	r.Untaxed, r.Tax, r.Total = signed(v.Totals.Untaxed), signed(v.Tax), signed(v.Totals.Total)
	r.Prepaid, r.Payable = signed(v.Totals.Prepaid), signed(v.Totals.Payable)
	for _, l := range v.Lines {
		r.Positions = append(r.Positions, l.position(signed))
	}
	for _, a := range v.Adjustments {
		r.Positions = append(r.Positions, a.position(signed))
	}
	for _, t := range v.Taxes {
		t.Taxable, t.Amount = signed(t.Taxable), signed(t.Amount)
		r.Taxes = append(r.Taxes, t)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("make record of invoice: %w", err)
	}
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("make record of invoice: %w", err)
	}
	return m, nil
}

type record struct {
	Kind           string      `json:"kind"`
	Number         string      `json:"number,omitzero"`
	TypeCode       string      `json:"type_code,omitzero"`
	IssueDate      string      `json:"issue_date,omitzero"`
	DueDate        string      `json:"due_date,omitzero"`
	Currency       string      `json:"currency,omitzero"`
	Untaxed        Amount      `json:"untaxed,omitzero"`
	Tax            Amount      `json:"tax,omitzero"`
	Total          Amount      `json:"total,omitzero"`
	Prepaid        Amount      `json:"prepaid,omitzero"`
	Payable        Amount      `json:"payable,omitzero"`
	Order          string      `json:"order,omitzero"`
	SalesOrder     string      `json:"sales_order,omitzero"`
	BuyerReference string      `json:"buyer_reference,omitzero"`
	Contract       string      `json:"contract,omitzero"`
	Terms          string      `json:"terms,omitzero"`
	Notes          []string    `json:"notes,omitzero"`
	Seller         Party       `json:"seller"`
	Buyer          Party       `json:"buyer"`
	Preceding      []Preceding `json:"preceding,omitzero"`
	Payment        []Payment   `json:"payment,omitzero"`
	Positions      []position  `json:"positions"`
	Taxes          []TaxShare  `json:"taxes,omitzero"`
	Findings       []fault     `json:"findings"`
}

// fault is a finding in one language: what a person sees in another, the rule tells.
type fault struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Term     string   `json:"term,omitempty"`
	Place    string   `json:"place"`
	Line     int      `json:"line,omitempty"`
	Message  string   `json:"message"`
}

type position struct {
	ID          string     `json:"id,omitzero"`
	Description string     `json:"description,omitzero"`
	SellersID   string     `json:"sellers_id,omitzero"`
	BuyersID    string     `json:"buyers_id,omitzero"`
	StandardID  Identifier `json:"standard_id,omitzero"`
	Unit        string     `json:"unit,omitzero"`
	Quantity    Amount     `json:"qty,omitzero"`
	Price       Amount     `json:"price,omitzero"`
	Untaxed     Amount     `json:"untaxed,omitzero"`
	TaxCategory string     `json:"tax_category,omitzero"`
	TaxRate     Amount     `json:"tax_rate,omitzero"`
}

// What the hub stores at most: decimals of prices and quantities, and of rates.
const (
	priceDigits = 6
	rateDigits  = 4
)

// rounded gives up decimals that the hub does not have.
func rounded(a Amount, digits int32) Amount {
	if a.Valid && a.Decimal.Exponent() < -digits {
		a.Decimal = a.Decimal.Round(digits)
	}
	return a
}

func (l *Line) position(signed func(Amount) Amount) position {
	price := l.Price.Net
	if base := l.Price.Base; price.Valid && base.Valid && !base.Decimal.IsZero() {
		price.Decimal = price.Decimal.DivRound(base.Decimal, priceDigits)
	}
	description := l.Name
	if l.Description != "" && l.Description != l.Name {
		description += "\n" + l.Description
	}
	return position{
		ID: l.ID, Description: description, SellersID: l.SellersID, BuyersID: l.BuyersID, StandardID: l.StandardID,
		Unit: l.Unit, Quantity: signed(rounded(l.Quantity, priceDigits)), Price: rounded(price, priceDigits), Untaxed: signed(l.Untaxed), TaxCategory: l.Tax.Category, TaxRate: rounded(l.Tax.Rate, rateDigits),
	}
}

func (a *Adjustment) position(signed func(Amount) Amount) position {
	amount := a.Amount
	quantity := Amount{Decimal: decimal.NewFromInt(1), Valid: true}
	if !a.Charge {
		amount.Decimal, quantity.Decimal = amount.Decimal.Neg(), quantity.Decimal.Neg()
	}
	description := a.Reason
	if description == "" {
		description = a.ReasonCode
	}
	return position{
		Description: description, Quantity: signed(quantity), Price: a.Amount, Untaxed: signed(amount),
		TaxCategory: a.Category.Category, TaxRate: rounded(a.Category.Rate, rateDigits),
	}
}
