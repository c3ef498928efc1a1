package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/inbox"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// inboxItem is a file with who may be the buyer, and what stands against accepting it.
type inboxItem struct {
	inbox.Item
	Candidates []inbox.Candidate `json:"candidates" nullable:"false" doc:"While it waits: the customers who may be the buyer, the surest first."`
	Faults     []Violation       `json:"faults" nullable:"false" doc:"While it waits: what stands against its becoming an invoice, whoever the customer is."`
}

type acceptance struct {
	CustomerID string `json:"customer_id" format:"uuid" doc:"Whose invoice it is."`
}

type reasonGiven struct {
	Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Why, in a sentence."`
}

// permitInbox refuses whom a rule hides a field of invoices from: a file in the inbox shows all of it.
func (c *call) permitInbox() error {
	if blind := c.who.Blind(access.Resource(crm.KindInvoice)); len(blind) > 0 {
		return forbidden(may(access.Resource(crm.KindInvoice), access.Read), "A file shows the field "+blind[0]+" of invoices, which you do not see.")
	}
	return nil
}

func (s *server) listInbox() operation {
	statuses := textsOf(inbox.Statuses())
	return operation{
		id: "list-invoice-inbox", needs: may(access.Resource(crm.KindInvoice), access.Read), tag: "finance", summary: "List the invoice inbox",
		description: "Files of invoices that the organization issued, mirrored from its finance system: those that wait, those accepted and those refused. The newest first. " +
			"What waits has no owner: it is listed for those who see all invoices.",
		parameters: append([]*huma.Param{choiceParameter("status", "Those that stand there.", statuses)}, pageParameters()...),
		status:     http.StatusOK, result: jsonBody(s.document, list[inbox.Item]{Items: []inbox.Item{inboxExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			if err := c.permitInbox(); err != nil {
				return answer{}, err
			}
			var faults parameterFaults
			q := inbox.Query{Status: inbox.Status(c.choiceIn("status", statuses, &faults)), After: c.idIn(afterParameter, &faults), Limit: parseLimit(c.query, &faults)}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[inbox.Item], error) { return s.inbox.List(ctx, tx, q) })
		},
	}
}

// receiveInvoice understands no Idempotency-Key: a file is known by its bytes.
func (s *server) receiveInvoice() operation {
	name := queryParameter("name", "What the file is called, without folders.", &huma.Schema{Type: huma.TypeString, Pattern: fileNameForm}, "RE-2026-0042.xml")
	name.Required = true
	return operation{
		id: "receive-invoice", needs: may(access.Resource(crm.KindInvoice), access.Create), tag: "finance", summary: "Put the file of an invoice into the inbox",
		description: "UBL 2.1, up to 10 MiB, sent as it is: an invoice or credit note that the organization issued. It is judged by EN 16931, and the customer is looked for. The same file " +
			"again is answered as it stands. What is no such file, or not of this seller, is kept as refused; its findings name rule and place.",
		parameters: []*huma.Param{name},
		body:       fileContent("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Invoice xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:Invoice-2\"/>", bytesType, ublType, "text/xml"), upload: inbox.MaxSize,
		status: http.StatusCreated, result: jsonBody(s.document, inboxExample()), located: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			if err := c.permitInbox(); err != nil {
				return answer{}, err
			}
			name, err := c.fileName()
			if err != nil {
				return answer{}, err
			}
			data, err := io.ReadAll(c.request.Body)
			if err != nil {
				return answer{}, err
			}
			item, err := postgres.Get(ctx, s.DB, c.who.Principal, func(tx pgx.Tx) (inbox.Item, error) { return s.inbox.Receive(ctx, tx, name, data) })
			if err != nil {
				return answer{}, err
			}
			return created("/invoice-inbox", item.ID, item)
		},
	}
}

func (s *server) getInboxItem() operation {
	example := inboxItem{
		Item:       inboxExample(),
		Candidates: []inbox.Candidate{{ID: uuid.MustParse(exampleID), Name: "Beispiel GmbH", Score: 160, Reasons: []inbox.Fact{{Kind: "tax_id", Score: 100}, {Kind: "name", Score: 60}}}},
		Faults:     []Violation{},
	}
	return operation{
		id: "get-invoice-inbox", needs: may(access.Resource(crm.KindInvoice), access.Read), tag: "finance", summary: "Get a file of the invoice inbox",
		description: "With the customers who may be the buyer, and what stands against accepting it.",
		status:      http.StatusOK, result: jsonBody(s.document, example),
		serve: func(ctx context.Context, c *call) (answer, error) {
			if err := c.permitInbox(); err != nil {
				return answer{}, err
			}
			return onID(s, s.inboxItem)(ctx, c)
		},
	}
}

func (s *server) inboxItem(ctx context.Context, tx pgx.Tx, id uuid.UUID) (inboxItem, error) {
	item, err := s.inbox.Get(ctx, tx, id)
	shown := inboxItem{Item: item, Candidates: []inbox.Candidate{}, Faults: []Violation{}}
	if err != nil || item.Status != inbox.Review {
		return shown, err
	}
	if shown.Candidates, err = s.inbox.Candidates(ctx, tx, item); err != nil {
		return shown, err
	}
	faults, err := s.inbox.Faults(ctx, tx, id)
	if len(faults) > 0 {
		shown.Faults = invalid(faults).Violations
	}
	return shown, err
}

func (s *server) inboxFile() operation {
	return operation{
		id: "get-invoice-inbox-file", needs: may(access.Resource(crm.KindInvoice), access.Read), tag: "finance", summary: "Get a file of the invoice inbox as it came",
		description: "Until it is accepted: then it is an attachment of the invoice.",
		status:      http.StatusOK, result: fileContent("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Invoice xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:Invoice-2\"/>", bytesType),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			if err := c.permitInbox(); err != nil {
				return answer{}, err
			}
			var item inbox.Item
			var data []byte
			err = s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
				if item, err = s.inbox.Get(ctx, tx, id); err != nil {
					return err
				}
				data, err = s.inbox.File(ctx, tx, id)
				return err
			})
			if err != nil {
				return answer{}, err
			}
			return answer{Status: http.StatusOK, file: &file{name: item.Name, mediaType: bytesType, size: item.Size, send: func(w io.Writer) error {
				_, err := bytes.NewReader(data).WriteTo(w)
				return err
			}}}, nil
		},
	}
}

// decideInbox serves what moves a file of the inbox.
func (s *server) decideInbox(o operation, do func(ctx context.Context, tx pgx.Tx, c *call, id uuid.UUID) (inbox.Item, error)) operation {
	o.tag, o.status, o.result, o.keyed, o.problems = "finance", http.StatusOK, jsonBody(s.document, inboxExample()), true, []int{http.StatusConflict}
	o.serve = func(ctx context.Context, c *call) (answer, error) {
		id, err := c.id()
		if err != nil {
			return answer{}, err
		}
		if err := c.permitInbox(); err != nil {
			return answer{}, err
		}
		return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
			return ok(do(ctx, tx, c, id))
		})
	}
	return o
}

func (s *server) acceptInvoice() operation {
	o := operation{
		id: "accept-invoice", needs: may(access.Resource(crm.KindInvoice), access.Create), summary: "Accept a file of the invoice inbox",
		description: "It becomes an issued invoice of the customer, with its findings, and the file is attached to it. Needs invoice:update besides. What does not fit the invoice is told by field and rule.",
		body:        jsonBody(s.document, acceptance{CustomerID: exampleID}),
	}
	return s.decideInbox(o, func(ctx context.Context, tx pgx.Tx, c *call, id uuid.UUID) (inbox.Item, error) {
		in, err := decode[acceptance](c)
		if err != nil {
			return inbox.Item{}, err
		}
		customer, err := parseID("/customer_id", in.CustomerID)
		if err != nil {
			return inbox.Item{}, err
		}
		return s.inbox.Accept(ctx, tx, c.author(), id, customer)
	})
}

func (s *server) refuseInvoice() operation {
	o := operation{
		id: "refuse-invoice", needs: may(access.Resource(crm.KindInvoice), access.Update), summary: "Refuse a file of the invoice inbox", description: "It is kept, and can be opened again.",
		body: jsonBody(s.document, reasonGiven{Reason: "a test of the billing system"}),
	}
	return s.decideInbox(o, func(ctx context.Context, tx pgx.Tx, c *call, id uuid.UUID) (inbox.Item, error) {
		in, err := decode[reasonGiven](c)
		if err == nil && strings.TrimSpace(in.Reason) == "" {
			err = schema.Violations{{Pointer: "/reason", Rule: "required", Message: "must say why"}}
		}
		if err != nil {
			return inbox.Item{}, err
		}
		return s.inbox.Refuse(ctx, tx, id, strings.TrimSpace(in.Reason))
	})
}

func (s *server) reopenInvoice() operation {
	o := operation{
		id: "reopen-invoice", needs: may(access.Resource(crm.KindInvoice), access.Update), summary: "Open a refused file of the invoice inbox again",
		description: "It is judged anew, and waits again unless it is refused for what it is.",
	}
	return s.decideInbox(o, func(ctx context.Context, tx pgx.Tx, _ *call, id uuid.UUID) (inbox.Item, error) {
		return s.inbox.Reopen(ctx, tx, id)
	})
}

func inboxExample() inbox.Item {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	id, total := uuid.MustParse(exampleID), decimal.RequireFromString("238")
	issued, _ := crm.ParseDate("2026-08-31")
	return inbox.Item{
		ID: id, Name: "RE-2026-0042.xml", Size: 9214, SHA256: "5f" + strings.Repeat("0", 62), Status: inbox.Review, Kind: "invoice", Number: "RE-2026-0042", IssueDate: &issued,
		Currency: "EUR", Total: &total, Seller: "Muster AG", SellerIs: inbox.Ours, Buyer: inbox.Buyer{Name: "Beispiel GmbH", VATNumber: "DE123456789", City: "Hamburg", Country: "DE"},
		Findings:   []crm.Finding{{Rule: "BR-CO-25", Severity: "fatal", Place: "/Invoice", Message: "There is an amount due, and neither a due date nor terms of payment."}},
		CustomerID: &id, CreatedAt: at, CreatedBy: exampleActor,
	}
}
