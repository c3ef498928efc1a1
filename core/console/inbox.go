package console

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/inbox"
	"crmhub/core/schema"
)

const (
	mostInvoices = 50       // files of one form
	maxInvoices  = 64 << 20 // bytes of all of them
)

// inboxRow is a file as the list shows it.
type inboxRow struct {
	inbox.Item
	Customer cell
	Fatal    int64 // findings that are errors
	Warnings int64
	Issued   string
	Shown    string // the total
}

type inboxPage struct {
	pager
	Status      string
	Statuses    []inbox.Status
	Items       []inboxRow
	Fault       string // what is wrong with the files
	SellerKnown bool   // the organization has said who it is
	MayReceive  bool
}

func (c *Console) listInbox(ctx context.Context, v *visit) error {
	return v.writeInbox(ctx, "")
}

func (v *visit) writeInbox(ctx context.Context, fault string) error {
	q := v.r.URL.Query()
	p := inboxPage{Status: q.Get("status"), Statuses: inbox.Statuses(), Fault: fault, MayReceive: v.who.May(access.Resource(crm.KindInvoice), access.Create) != ""}
	if !q.Has("status") {
		p.Status = string(inbox.Review)
	}
	ask := inbox.Query{Status: inbox.Status(p.Status), Limit: pageSize}
	if p.Status != "" && !slices.Contains(p.Statuses, ask.Status) {
		return errAddress
	}
	if after := q.Get("after"); after != "" {
		id, err := uuid.Parse(after)
		if err != nil {
			return errAddress
		}
		ask.After = id
	}
	address := func(after string) string { // a status that is "" counts, too
		to := inboxPath + "?status=" + p.Status
		if after != "" {
			to += "&after=" + after
		}
		return to
	}
	err := v.as(ctx, func(tx pgx.Tx) error {
		found, err := v.console.inbox.List(ctx, tx, ask)
		if err != nil {
			return err
		}
		p.pager = pagerOf(address, q.Get("after"), found.Next)
		seller, err := v.console.Access.Seller(ctx, tx)
		if err != nil {
			return err
		}
		p.SellerKnown = seller.VATNumber+seller.TaxNumber+seller.Registration+seller.Name != ""
		var customers []string
		for _, item := range found.Items {
			if item.CustomerID != nil {
				customers = append(customers, item.CustomerID.String())
			}
		}
		called, err := v.callCustomers(ctx, tx, customers)
		if err != nil {
			return err
		}
		for _, item := range found.Items {
			row := inboxRow{Item: item, Issued: v.dayOf(item.IssueDate), Shown: inboxTotal(item)}
			if item.CustomerID != nil {
				row.Customer = called(item.CustomerID.String())
			}
			for _, f := range item.Findings {
				if f.Severity == "fatal" {
					row.Fatal++
				} else {
					row.Warnings++
				}
			}
			p.Items = append(p.Items, row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	v.here = inboxPath
	return v.write(statusOf(fault != ""), "inbox", p)
}

// dayOf writes a day that may be missing.
func (v *visit) dayOf(d *crm.Date) string {
	if d == nil {
		return ""
	}
	s, _ := formatDate(v.lang, *d)
	return s
}

// inboxTotal is what a file says it comes to, "" if it does not say.
func inboxTotal(item inbox.Item) string {
	if item.Total == nil {
		return ""
	}
	return formatAmount(*item.Total, item.Currency)
}

// callCustomers returns what shows a customer by his id, as far as the visitor may know.
func (v *visit) callCustomers(ctx context.Context, tx pgx.Tx, ids []string) (func(id string) cell, error) {
	f := field{Field: crm.Field{Name: "customer_id", Type: "id", Refers: crm.KindCustomer}}
	docs := make([]map[string]any, len(ids))
	for i, id := range ids {
		docs[i] = map[string]any{"customer_id": id}
	}
	n, err := v.name(ctx, tx, []field{f}, docs...)
	return func(id string) cell {
		title, link := n.of(f, id)
		return cell{Text: title, Link: link}
	}, err
}

// receiveInvoices takes files in, each for itself: what one is does not stop the others.
func (c *Console) receiveInvoices(ctx context.Context, v *visit) error {
	parts, err := v.r.MultipartReader()
	if err != nil {
		return errAddress
	}
	var received []inbox.Item
	for {
		part, err := parts.NextPart()
		if err == io.EOF { //nolint:errorlint // as io.Reader says
			break
		}
		if err != nil {
			return v.tooLargeOr(ctx, err)
		}
		if part.FormName() != "file" || part.FileName() == "" {
			continue
		}
		if len(received) == mostInvoices {
			return v.writeInbox(ctx, v.say("inbox.too_many", mostInvoices))
		}
		data, err := io.ReadAll(io.LimitReader(part, inbox.MaxSize+1))
		if err != nil {
			return v.tooLargeOr(ctx, err)
		}
		if len(data) > inbox.MaxSize {
			return v.writeInbox(ctx, v.say("inbox.too_large", part.FileName()))
		}
		err = v.as(ctx, func(tx pgx.Tx) error {
			item, err := c.inbox.Receive(ctx, tx, fileName(part.FileName()), data)
			received = append(received, item)
			return err
		})
		if err != nil {
			return err
		}
	}
	switch len(received) {
	case 0:
		return v.writeInbox(ctx, v.say("import.no_file"))
	case 1:
		return v.done(inboxPath+"/"+received[0].ID.String(), "invoice_received")
	default:
		return v.done(inboxPath+"?status=", "invoices_received")
	}
}

func (v *visit) tooLargeOr(ctx context.Context, err error) error {
	if isTooLarge(err) {
		return v.writeInbox(ctx, v.say("inbox.too_many", mostInvoices))
	}
	return errAddress
}

// fileName is a name without what no name has.
func fileName(given string) string {
	name := strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '/' || r == '\\' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(given, "")))
	if runes := []rune(name); len(runes) > 300 {
		name = string(runes[:300])
	}
	if name == "" {
		return "invoice.xml"
	}
	return name
}

// inboxItemPage is a file, and what can be done with it.
type inboxItemPage struct {
	inbox.Item
	Who        string
	Customer   cell
	Findings   []findingRow
	Candidates []candidateRow
	Faults     []string // what stands against its becoming an invoice
	Refused    []string // why what was asked for was refused
	Search     string   // other customers were looked for
	NewPath    string   // where the buyer is entered as a customer, "" if the visitor may not
	Address    []string
	Issued     string
	Due        string
	Shown      string // the total
	MayAccept  bool
	MayRefuse  bool
}

type findingRow struct {
	crm.Finding
	Text string
}

type candidateRow struct {
	inbox.Candidate
	Chosen bool
}

func (c *Console) showInboxItem(ctx context.Context, v *visit) error {
	return v.writeInboxItem(ctx, nil)
}

func (v *visit) writeInboxItem(ctx context.Context, refused error) error {
	if _, other := wrongIn(refused); other != nil {
		return other
	}
	id, err := v.id(inbox.ErrNotFound)
	if err != nil {
		return err
	}
	invoices := access.Resource(crm.KindInvoice)
	p := inboxItemPage{
		Search:    strings.TrimSpace(v.r.URL.Query().Get("customer")),
		MayAccept: v.who.May(invoices, access.Create) != "" && v.who.May(invoices, access.Update) != "", MayRefuse: v.who.May(invoices, access.Update) != "",
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		if p.Item, err = v.console.inbox.Get(ctx, tx, id); err != nil {
			return err
		}
		fields, err := v.fields(ctx, tx, crm.KindInvoice)
		if err != nil {
			return err
		}
		p.Refused = v.refusal(refused, fields)
		known, err := v.everybody(ctx, tx)
		if err != nil {
			return err
		}
		p.Who = v.actor(p.CreatedBy, known)
		if p.CustomerID != nil {
			called, err := v.callCustomers(ctx, tx, []string{p.CustomerID.String()})
			if err != nil {
				return err
			}
			p.Customer = called(p.CustomerID.String())
		}
		if p.Status != inbox.Review {
			return nil
		}
		faults, err := v.console.inbox.Faults(ctx, tx, id)
		if err != nil {
			return err
		}
		if len(faults) > 0 {
			p.Faults = v.refusal(faults, fields)
		}
		return v.fillCandidates(ctx, tx, &p)
	})
	if err != nil {
		return err
	}
	for _, f := range p.Item.Findings {
		p.Findings = append(p.Findings, findingRow{f, v.findingText(f)})
	}
	p.Issued, p.Due, p.Shown = v.dayOf(p.IssueDate), v.dayOf(p.DueDate), inboxTotal(p.Item)
	for _, line := range []string{p.Buyer.Street, strings.TrimSpace(p.Buyer.Postcode + " " + p.Buyer.City), p.Buyer.Country} {
		if line != "" {
			p.Address = append(p.Address, line)
		}
	}
	v.here = inboxPath + "/" + id.String()
	return v.writeForm("inbox-item", p, refused)
}

// findingText is what a finding says, in the visitor's language.
func (v *visit) findingText(f crm.Finding) string {
	switch f.Rule {
	case "SELLER":
		return v.say("inbox.not_ours")
	case "UBL-SYNTAX":
		return v.say("inbox.no_ubl", f.Message)
	default:
		return v.explained(f.Rule, f.Message)
	}
}

// fillCandidates offers who may be the buyer, and whoever was looked for besides.
func (v *visit) fillCandidates(ctx context.Context, tx pgx.Tx, p *inboxItemPage) error {
	found, err := v.console.inbox.Candidates(ctx, tx, p.Item)
	if err != nil {
		return err
	}
	if p.Search != "" && v.who.May(access.Resource(crm.KindCustomer), access.Read) != "" {
		q := crm.Query{Text: p.Search, Limit: relatedSize}
		v.narrow(crm.KindCustomer, &q)
		page, err := v.console.CRM.List(ctx, tx, crm.KindCustomer, q)
		if err != nil {
			return err
		}
		for _, e := range page.Items {
			customer, _ := e.(*crm.Customer)
			if !slices.ContainsFunc(found, func(c inbox.Candidate) bool { return c.ID == customer.ID }) {
				found = append(found, inbox.Candidate{ID: customer.ID, Name: customer.Name})
			}
		}
	}
	chosen := v.r.PostFormValue("customer_id")
	if chosen == "" && p.CustomerID != nil {
		chosen = p.CustomerID.String()
	}
	if chosen == "" && inbox.OneIsSure(found) {
		chosen = found[0].ID.String()
	}
	for _, one := range found {
		p.Candidates = append(p.Candidates, candidateRow{one, one.ID.String() == chosen})
	}
	if v.who.May(access.Resource(crm.KindCustomer), access.Create) != "" {
		q := url.Values{"name": {p.Buyer.Name}, "tax_id": {p.Buyer.VATNumber}, "email": {p.Buyer.Email}, "currency": {p.Currency}, "to": {"/finance/inbox/" + p.ID.String()}}
		p.NewPath = pathOf(crm.KindCustomer) + "/new?" + q.Encode()
	}
	return nil
}

// decideOnInvoice does something with a file of the inbox. What the rules refuse is told on its page.
func (v *visit) decideOnInvoice(ctx context.Context, notice string, do func(tx pgx.Tx, id uuid.UUID) (inbox.Item, error)) error {
	id, err := v.id(inbox.ErrNotFound)
	if err != nil {
		return err
	}
	item, err := get(ctx, v, func(tx pgx.Tx) (inbox.Item, error) { return do(tx, id) })
	if standing := (*inbox.StatusError)(nil); errors.As(err, &standing) {
		return errClosed
	}
	if err != nil {
		return v.writeInboxItem(ctx, err)
	}
	if item.InvoiceID != nil {
		return v.done(pathOf(crm.KindInvoice)+"/"+item.InvoiceID.String(), notice)
	}
	return v.done(inboxPath+"/"+id.String(), notice)
}

func (c *Console) acceptInvoice(ctx context.Context, v *visit) error {
	customer, err := uuid.Parse(v.r.PostFormValue("customer_id"))
	if err != nil {
		return v.writeInboxItem(ctx, schema.Violations{{Pointer: "/customer_id", Rule: "required", Message: "choose whose invoice it is"}})
	}
	return v.decideOnInvoice(ctx, "invoice_accepted", func(tx pgx.Tx, id uuid.UUID) (inbox.Item, error) {
		return c.inbox.Accept(ctx, tx, v.author(), id, customer)
	})
}

func (c *Console) refuseInvoice(ctx context.Context, v *visit) error {
	reason := strings.TrimSpace(v.r.PostFormValue("reason"))
	if reason == "" || len([]rune(reason)) > 500 {
		return v.writeInboxItem(ctx, schema.Violations{{Pointer: "/reason", Rule: "required", Message: "say why, in at most 500 characters"}})
	}
	return v.decideOnInvoice(ctx, "invoice_refused", func(tx pgx.Tx, id uuid.UUID) (inbox.Item, error) { return c.inbox.Refuse(ctx, tx, id, reason) })
}

func (c *Console) reopenInvoice(ctx context.Context, v *visit) error {
	return v.decideOnInvoice(ctx, "invoice_reopened", func(tx pgx.Tx, id uuid.UUID) (inbox.Item, error) { return c.inbox.Reopen(ctx, tx, id) })
}

func (c *Console) inboxFile(ctx context.Context, v *visit) error {
	id, err := v.id(inbox.ErrNotFound)
	if err != nil {
		return err
	}
	var item inbox.Item
	var data []byte
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		if item, err = c.inbox.Get(ctx, tx, id); err != nil {
			return err
		}
		data, err = c.inbox.File(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	return v.give(download{name: item.Name, mediaType: "application/octet-stream", send: func(w io.Writer) error {
		_, err := bytes.NewReader(data).WriteTo(w)
		return err
	}})
}
