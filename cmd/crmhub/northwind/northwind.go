// Package northwind is the demo's company: the customers, contacts, products and orders of the Northwind trading
// company, as entities of ours. See README.md for where they come from and what was changed.
package northwind

import (
	"bufio"
	"bytes"
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"crmhub/core/crm"
)

// Currency is what all prices are in.
const Currency = "USD"

//go:embed customers.tsv
var customersTSV []byte

//go:embed products.tsv
var productsTSV []byte

//go:embed orders.tsv
var ordersTSV []byte

// Company is everything there is, parents before those that refer to them. Nothing is stored yet, but every entity has
// its id, so that a contact and an order can name their customer.
type Company struct {
	Customers []*crm.Customer
	Contacts  []*crm.Contact
	Products  []*crm.Product
	Orders    []*crm.Order // oldest first, confirmed, none delivered
}

// Load reads the company as of today: all dates are moved by the same number of days, so that the newest order is of
// yesterday.
func Load(today crm.Date) (*Company, error) {
	var c Company
	customers := make(map[string]*crm.Customer)
	for row, err := range rows(customersTSV) {
		if err != nil {
			return nil, fmt.Errorf("customers.tsv: %w", err)
		}
		customer, contact := customerOf(row)
		customers[customer.Code] = customer
		c.Customers = append(c.Customers, customer)
		c.Contacts = append(c.Contacts, contact)
	}
	products := make(map[string]*crm.Product)
	for row, err := range rows(productsTSV) {
		if err == nil {
			products[row["id"]], err = productOf(row)
		}
		if err != nil {
			return nil, fmt.Errorf("products.tsv: %w", err)
		}
		c.Products = append(c.Products, products[row["id"]])
	}
	for row, err := range rows(ordersTSV) {
		var order *crm.Order
		if err == nil {
			order, err = orderOf(row, customers[row["customer"]], products)
		}
		if err != nil {
			return nil, fmt.Errorf("orders.tsv: %w", err)
		}
		c.Orders = append(c.Orders, order)
	}
	c.shift(today)
	return &c, nil
}

// shift moves all dates so that the newest order is of the day before today.
func (c *Company) shift(today crm.Date) {
	var newest crm.Date
	for _, o := range c.Orders {
		if newest.Before(o.Date) {
			newest = o.Date
		}
	}
	const day = 24 * time.Hour
	by := today.Time().Add(-day).Sub(newest.Time())
	for _, o := range c.Orders {
		o.Date = crm.DateOf(o.Date.Time().Add(by))
		promised := crm.DateOf(o.PromisedDate.Time().Add(by))
		o.PromisedDate = &promised
	}
}

func customerOf(row map[string]string) (*crm.Customer, *crm.Contact) {
	customer := &crm.Customer{
		Code: row["code"], Name: row["name"], Type: "company", Lifecycle: "customer", Currency: Currency, Phone: row["phone"],
		Addresses: []crm.CustomerAddress{{Kind: "bill", Address: crm.Address{
			Street: row["street"], City: row["city"], Province: row["province"], Postcode: row["postcode"], Country: row["country"],
		}}},
	}
	customer.ID = newID()
	contact := &crm.Contact{
		Name: row["contact"], Title: row["title"], Phone: row["phone"],
		Customers: []crm.ContactCustomer{{CustomerID: customer.ID, IsPrimary: true, IsActive: true}},
	}
	contact.ID = newID()
	return customer, contact
}

// Food bears the reduced rate, drinks and transport the standard one, so that most orders have two rates.
var (
	standardRate = decimal.NewFromInt(20) //nolint:gochecknoglobals // a constant
	reducedRate  = decimal.NewFromInt(10) //nolint:gochecknoglobals // a constant
)

func productOf(row map[string]string) (*crm.Product, error) {
	number, err := strconv.Atoi(row["id"])
	if err != nil {
		return nil, fmt.Errorf("product %q: its id is no number", row["id"])
	}
	price, err := decimal.NewFromString(row["price"])
	if err != nil {
		return nil, fmt.Errorf("product %d: its price %q is no number", number, row["price"])
	}
	rate := reducedRate
	if row["category"] == "Beverages" {
		rate = standardRate
	}
	p := &crm.Product{
		SKU: fmt.Sprintf("NW-%03d", number), Name: row["name"], Category: row["category"], Description: row["packing"],
		Unit: "unit", Currency: Currency, ListPrice: &price, TaxRate: &rate, IsActive: row["discontinued"] == "0",
	}
	p.ID = newID()
	return p, nil
}

func orderOf(row map[string]string, customer *crm.Customer, products map[string]*crm.Product) (*crm.Order, error) {
	number := row["number"]
	if customer == nil {
		return nil, fmt.Errorf("order %s: no customer %q", number, row["customer"])
	}
	date, err := crm.ParseDate(row["date"])
	if err != nil {
		return nil, fmt.Errorf("order %s: %w", number, err)
	}
	promised, err := crm.ParseDate(row["required"])
	if err != nil {
		return nil, fmt.Errorf("order %s: %w", number, err)
	}
	freight, err := decimal.NewFromString(row["freight"])
	if err != nil {
		return nil, fmt.Errorf("order %s: its freight %q is no number", number, row["freight"])
	}
	bill := customer.Addresses[0].Address
	o := &crm.Order{
		Number: number, CustomerID: customer.ID, Date: date, PromisedDate: &promised, Currency: Currency, Status: "confirmed",
		BillAddress: &bill, ShipAddress: shipAddress(row["ship"], bill),
	}
	o.ID = newID()
	for text := range strings.FieldsSeq(row["lines"]) {
		line, err := lineOf(text, products)
		if err != nil {
			return nil, fmt.Errorf("order %s: %w", number, err)
		}
		o.Lines = append(o.Lines, line)
	}
	o.Lines = append(o.Lines, crm.OrderLine{Description: "Freight", Qty: decimal.NewFromInt(1), Price: freight, TaxRate: standardRate})
	return o, nil
}

// lineForm is a line of an order: product:quantity@price, and -discount% where there is one.
var lineForm = regexp.MustCompile(`^(\d+):(\d+)@(\d+(?:\.\d+)?)(?:-(\d+)%)?$`)

func lineOf(text string, products map[string]*crm.Product) (crm.OrderLine, error) {
	m := lineForm.FindStringSubmatch(text)
	if m == nil {
		return crm.OrderLine{}, fmt.Errorf("%q is no line like 65:15@16.8-15%%", text)
	}
	p := products[m[1]]
	if p == nil {
		return crm.OrderLine{}, fmt.Errorf("no product %s", m[1])
	}
	line := crm.OrderLine{
		ProductID: &p.ID, Description: p.Name, Unit: p.Unit, TaxRate: *p.TaxRate,
		Qty: decimal.RequireFromString(m[2]), Price: decimal.RequireFromString(m[3]),
	}
	if m[4] != "" {
		line.DiscountPct = decimal.RequireFromString(m[4])
	}
	return line, nil
}

// shipAddress reads street|city|province|postcode|country; an empty text is the customer's own address.
func shipAddress(text string, own crm.Address) *crm.Address {
	if text == "" {
		return &own
	}
	var part [5]string
	copy(part[:], strings.SplitN(text, "|", len(part)))
	return &crm.Address{Street: part[0], City: part[1], Province: part[2], Postcode: part[3], Country: part[4]}
}

// rows yields the lines of a table under the names in its first line. Empty fields at the end of a line may be missing.
func rows(tsv []byte) func(yield func(map[string]string, error) bool) {
	return func(yield func(map[string]string, error) bool) {
		scanner := bufio.NewScanner(bytes.NewReader(tsv))
		scanner.Scan()
		names := strings.Split(scanner.Text(), "\t")
		for n := 2; scanner.Scan(); n++ {
			fields := strings.Split(scanner.Text(), "\t")
			if len(fields) > len(names) {
				yield(nil, fmt.Errorf("line %d has %d fields, not %d", n, len(fields), len(names)))
				return
			}
			row := make(map[string]string, len(names))
			for i, f := range fields {
				row[names[i]] = f
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := scanner.Err(); err != nil {
			yield(nil, err)
		}
	}
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
