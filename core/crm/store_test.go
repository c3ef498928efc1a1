package crm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/schema"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// shop is a store in an organization, with somebody at work.
type shop struct {
	db    *postgres.DB
	who   postgres.Principal
	store crm.Store
}

func newShop(t testing.TB) *shop {
	t.Helper()
	return openShop(t, postgrestest.New(t))
}

func openShop(t testing.TB, db *postgres.DB) *shop {
	t.Helper()
	who := postgrestest.Organization(t, db)
	who.Actor, who.Reach = postgres.User(uuid.New()), postgres.Everywhere()
	return &shop{db: db, who: who}
}

func (s *shop) by() crm.By { return crm.By{Actor: s.who.Actor, Origin: "crm"} }

func (s *shop) connection() crm.By {
	return crm.By{Actor: postgres.Connection(uuid.Nil), Origin: "erp"}
}

func (s *shop) as(t testing.TB, fn func(ctx context.Context, tx pgx.Tx) error) error {
	t.Helper()
	return s.db.As(t.Context(), s.who, func(tx pgx.Tx) error { return fn(t.Context(), tx) })
}

func (s *shop) trySave(t testing.TB, by crm.By, batch ...crm.Entity) error {
	t.Helper()
	return s.as(t, func(ctx context.Context, tx pgx.Tx) error { return s.store.Save(ctx, tx, by, batch) })
}

func (s *shop) save(t testing.TB, batch ...crm.Entity) {
	t.Helper()
	if err := s.trySave(t, s.by(), batch...); err != nil {
		t.Fatal(err)
	}
}

func (s *shop) get(t testing.TB, e crm.Entity) crm.Entity {
	t.Helper()
	id := headOf(t, e).ID
	var got map[uuid.UUID]crm.Entity
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) (err error) {
		got, err = s.store.Get(ctx, tx, e.Kind(), []uuid.UUID{id})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got[id] == nil {
		t.Fatalf("%s %s is not there", e.Kind(), id)
	}
	return got[id]
}

func headOf(t testing.TB, e crm.Entity) crm.Head {
	t.Helper()
	var h crm.Head
	if err := json.Unmarshal([]byte(asJSON(t, e)), &h); err != nil {
		t.Fatal(err)
	}
	return h
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func dec(s string) decimal.Decimal { return decimal.RequireFromString(s) }

func date(t testing.TB, s string) crm.Date {
	t.Helper()
	d, err := crm.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// rules are the violations in err as "pointer rule".
func rules(err error) []string {
	var vs schema.Violations
	if !errors.As(err, &vs) {
		return []string{fmt.Sprint(err)}
	}
	var out []string
	for _, v := range vs {
		out = append(out, v.Pointer+" "+v.Rule)
	}
	return out
}

func wantRules(t testing.TB, err error, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, rules(err)); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

// examples are one of each kind, as full as can be; what they refer to is saved.
func (s *shop) examples(t testing.TB) []crm.Entity {
	t.Helper()
	owner := s.user(t)
	now := time.Date(2026, 3, 4, 5, 6, 7, 123456000, time.UTC)
	customer := &crm.Customer{
		Code: "K1", Name: "福建示例有限公司", Type: "company", Lifecycle: "customer", Level: "A", Industry: "toys", Source: "fair",
		OwnerID: &owner, USCC: "91350100M000100Y43", TaxID: "DE129273398",
		Currency: "CNY", PaymentTerm: "30", CreditLimit: new(dec("1000.5")), IsFrozen: true, Phone: "+86 591 1234 5678",
		Email: "a@example.com", Website: "https://example.com", Employees: new(int32(7)), AnnualRevenue: new(dec("-3.25")),
		Remark: "line\nline", LastContactAt: &now, NextContactAt: &now,
		Addresses: []crm.CustomerAddress{
			{Kind: "bill", Address: crm.Address{Street: "s", District: "d", City: "c", Province: "p", Postcode: "1", Country: "CN"}},
			{Kind: "ship"},
		},
		InvoiceProfiles: []crm.InvoiceProfile{
			{Title: "福建示例", TaxNo: "1", Bank: "b", BankAccount: "2", Address: "a", Phone: "3"},
			{IsDefault: true, Title: "Example"},
		},
		Tags: []string{"fair 2026", "重点", "fair 2026"},
		Ext:  crm.Ext(`{"b":1.50,"a":{"z":[1,"x"],"y":null}}`),
	}
	s.save(t, customer)
	contact := &crm.Contact{
		Name: "Ann", Title: "Dr", Department: "IT", Mobile: "0171 1234567", Phone: "030/123-456", Email: "ann@example.com", OptOut: true,
		OwnerID: &owner, Remark: "r", Customers: []crm.ContactCustomer{{CustomerID: customer.ID, Role: "evaluator", IsPrimary: true, IsActive: true}},
	}
	category := &crm.ProductCategory{Code: "T", Name: "Toys"}
	s.save(t, category)
	balls := &crm.ProductCategory{Code: "B", Name: "Balls", ParentID: &category.ID}
	s.save(t, balls)
	product := &crm.Product{
		SKU: "P1", Name: "Ball", Category: "toys", CategoryID: &balls.ID, Description: "round", Unit: "piece", Currency: "CNY",
		ListPrice: new(dec("12.5")), Cost: new(dec("7")), TaxRate: new(dec("13")), IsActive: true,
	}
	s.save(t, contact)
	s.save(t, product)
	members, rule := s.segments(t, customer, contact)
	campaign := &crm.Campaign{
		Name: "Spring", Type: "email", Status: "active", StartDate: new(date(t, "2026-03-01")), EndDate: new(date(t, "2026-03-01")), Currency: "EUR",
		Budget: new(dec("100")), ActualCost: new(dec("99.99")), ExpectedRevenue: new(dec("1000")), SegmentID: &rule.ID, OwnerID: &owner, Remark: "r", Tags: []string{"x"},
	}
	s.save(t, campaign)
	pipeline := crm.StandardPipeline("en")
	pipeline.Stages[0].RottenDays = new(int32(14))
	s.save(t, pipeline)
	opportunity := &crm.Opportunity{
		Name: "Balls", CustomerID: customer.ID, PrimaryContactID: &contact.ID, PipelineID: &pipeline.ID, Stage: "proposal", Currency: "CNY", RateToBase: dec("0.125"),
		Probability: new(int32(60)), ForecastCategory: "commit", ExpectedClose: new(date(t, "2026-06-30")), NextStep: "call", CampaignID: &campaign.ID, Source: "fair",
		OwnerID: &owner, Remark: "r", Tags: []string{"x"},
		Lines: []crm.OpportunityLine{
			{ProductID: &product.ID, Description: "Ball", Unit: "piece", Qty: dec("3"), Price: dec("3.335"), DiscountPct: dec("10")},
			{Description: "Service", Qty: dec("1"), Price: dec("100")},
		},
	}
	s.save(t, opportunity)
	order := &crm.Order{
		CustomerID: customer.ID, ContactID: &contact.ID, OpportunityID: &opportunity.ID, ClientRef: "PO 7", Date: date(t, "2026-02-03"), PromisedDate: new(date(t, "2026-03-01")),
		Currency: "CNY", RateToBase: dec("0.1234567891"), PaymentTerm: "30", Status: "confirmed",
		BillAddress: &crm.Address{City: "Berlin", Country: "DE"}, ShipAddress: &crm.Address{Street: "x"}, OwnerID: &owner, Remark: "r",
		Lines: []crm.OrderLine{
			{ProductID: &product.ID, Description: "Ball", Unit: "piece", Qty: dec("3"), Price: dec("3.335"), DiscountPct: dec("10"), TaxRate: dec("13"), QtyDelivered: dec("1.5")},
			{Description: "Service", Qty: dec("0.000001"), Price: dec("100000"), TaxRate: dec("6")},
		},
		Instalments: []crm.OrderInstalment{{DueDate: date(t, "2026-03-01"), Amount: dec("5")}, {DueDate: date(t, "2026-04-01"), Amount: dec("5.28")}},
		Tags:        []string{"x"},
	}
	s.save(t, order)
	invoice := &crm.Invoice{
		Number: "R1", CustomerID: customer.ID, OrderID: &order.ID, FapiaoType: "vat_special", IssueDate: new(date(t, "2026-02-04")),
		DueDate: new(date(t, "2026-03-04")), Currency: "CNY", Untaxed: dec("10"), Tax: dec("1.3"), Total: dec("11.3"), Residual: dec("11.3"),
		Status: "issued", OwnerID: &owner, Remark: "r",
		Lines: []crm.InvoiceLine{{ProductID: &product.ID, Description: "Ball", Unit: "piece", Qty: dec("1"), Price: dec("10"), TaxRate: dec("13"), Untaxed: dec("10"), Tax: dec("1.3")}},
	}
	if err := s.trySave(t, s.connection(), invoice); err != nil {
		t.Fatal(err)
	}
	payment := &crm.Payment{
		CustomerID: customer.ID, Date: date(t, "2026-02-05"), Method: "transfer", Reference: "tx", Currency: "CNY", Amount: dec("10"), OwnerID: &owner,
		Remark: "r", Allocations: []crm.PaymentAllocation{{InvoiceID: invoice.ID, Amount: dec("9.99")}},
	}
	if err := s.trySave(t, s.connection(), payment); err != nil {
		t.Fatal(err)
	}
	contract := &crm.Contract{
		Name: "Balls for a year", CustomerID: customer.ID, OpportunityID: &opportunity.ID, OrderID: &order.ID, StartDate: new(date(t, "2026-02-03")),
		EndDate: new(date(t, "2027-02-02")), Currency: "CNY", Amount: dec("10.5"), Status: "signed", OwnerID: &owner, Remark: "r", Tags: []string{"x"},
		Signers: []crm.ContractSigner{{Party: "own", Name: "Me", Title: "CEO", SignedOn: new(date(t, "2026-02-03"))}, {Name: "Ann"}},
	}
	member := &crm.CampaignMember{CampaignID: campaign.ID, CustomerID: &customer.ID, Status: "responded", RespondedAt: &now, Response: "yes"}
	ticket := &crm.Ticket{
		Subject: "Flat", Description: "It is flat.", CustomerID: customer.ID, ContactID: &contact.ID, OrderID: &order.ID, ProductID: &product.ID, Type: "complaint",
		Priority: "high", Status: "assigned", FirstResponseDue: &now, FirstRespondedAt: &now, OwnerID: &owner, Tags: []string{"x"},
	}
	s.save(t, contract)
	s.save(t, member)
	s.save(t, ticket)
	feedback := &crm.Feedback{
		CustomerID: customer.ID, ContactID: &contact.ID, TicketID: &ticket.ID, At: now, Score: new(int32(5)), NPS: new(int32(10)), Text: "well", OwnerID: &owner, Tags: []string{"x"},
		Ext: crm.Ext(`{"channel":"web"}`),
	}
	activity := &crm.Activity{
		Type: "note", Subject: "Thought", Content: "c", CustomerID: customer.ID, ContactID: &contact.ID, OpportunityID: &opportunity.ID, TicketID: &ticket.ID, At: now,
		Minutes: new(int32(5)), NextContactAt: &now, OwnerID: &owner, Tags: []string{"x"},
	}
	task := &crm.Task{
		Subject: "Call", Description: "d", Status: "started", Priority: "urgent", DueAt: &now, RemindAt: &now, CustomerID: &customer.ID, ContactID: &contact.ID,
		OpportunityID: &opportunity.ID, OrderID: &order.ID, TicketID: &ticket.ID, OwnerID: &owner, Tags: []string{"x"},
	}
	price := &crm.Price{
		ProductID: product.ID, PriceList: "retail", Currency: "CNY", Amount: dec("12.123456"), MinQty: dec("10"), ValidFrom: date(t, "2026-01-01"), ValidTo: new(date(t, "2026-12-31")),
	}
	rate := &crm.CurrencyRate{Currency: "CNY", Date: date(t, "2026-01-01"), Rate: dec("0.1234567891")}
	custom := &crm.CustomField{
		Entity: "feedback", Name: "channel", Type: "choice", LabelEn: "Channel", LabelZh: "渠道", IsRequired: true, Choices: []string{"phone", "web"}, Position: -1, IsActive: true,
	}
	for _, e := range []crm.Entity{custom, feedback, activity, task, price, rate} {
		s.save(t, e)
	}
	return []crm.Entity{
		customer, contact, product, order, invoice, payment, members, rule, campaign, pipeline, opportunity, contract, member, ticket, feedback,
		activity, task, price, rate, custom, balls,
	}
}

// segments are one by a rule and one that lists its members.
func (s *shop) segments(t testing.TB, customer *crm.Customer, contact *crm.Contact) (members, rule *crm.Segment) {
	t.Helper()
	members = &crm.Segment{Name: "Some", Description: "d", Subject: "contact", Type: "static", Members: []crm.SegmentMember{{ContactID: &contact.ID}}, Tags: []string{"x"}}
	rule = &crm.Segment{Name: "Best", OwnerID: customer.OwnerID, Rule: []crm.SegmentCondition{
		{Field: "level", Op: "in", Values: []string{"A", "B"}},
		{Field: "tags", Op: "has", Values: []string{"重点"}},
	}}
	s.save(t, members, rule)
	return members, rule
}

func (s *shop) user(t testing.TB) uuid.UUID {
	t.Helper()
	id := uuid.New()
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "insert into users (id, login, name) values ($1, $2, 'Somebody')", id, id.String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestSavedEntityReadsBackTheSame(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, e := range s.examples(t) {
		t.Run(string(e.Kind()), func(t *testing.T) {
			if diff := cmp.Diff(asJSON(t, e), asJSON(t, s.get(t, e))); diff != "" {
				t.Errorf("after insert (-saved +read):\n%s", diff)
			}
			if e.Kind() == crm.KindInvoice {
				return
			}
			s.save(t, e)
			got := s.get(t, e)
			if diff := cmp.Diff(asJSON(t, e), asJSON(t, got)); diff != "" {
				t.Errorf("after update (-saved +read):\n%s", diff)
			}
			if v := headOf(t, got).Version; v != 2 {
				t.Errorf("version is %d after an update, want 2", v)
			}
		})
	}
}
