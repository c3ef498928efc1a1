package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/postgres"
)

// MaxSize is how many bytes a file has at most. An invoice of a thousand lines has one million.
const MaxSize = 10 << 20

// Status is where a file stands.
type Status string

// The statuses.
const (
	Review   Status = "review" // somebody decides
	Accepted Status = "accepted"
	Refused  Status = "refused"
)

// Statuses are all statuses, in the order of a file's life.
func Statuses() []Status { return []Status{Review, Accepted, Refused} }

// SellerIs says whether the organization issued an invoice.
type SellerIs string

// Who a seller may be.
const (
	Ours    SellerIs = "ours"
	Other   SellerIs = "other"   // the organization has said who it is, and this is somebody else
	Unknown SellerIs = "unknown" // the organization has not said who it is
)

// Buyer is who is to pay, as the file says.
type Buyer struct {
	Name         string `json:"name,omitempty"`
	VATNumber    string `json:"vat_number,omitempty"`
	Registration string `json:"registration,omitempty"`
	Endpoint     string `json:"endpoint,omitempty" doc:"The electronic address."`
	ID           string `json:"id,omitempty" doc:"The number that the seller knows the buyer by."`
	Email        string `json:"email,omitempty"`
	Phone        string `json:"phone,omitempty"`
	Street       string `json:"street,omitempty"`
	Postcode     string `json:"postcode,omitempty"`
	City         string `json:"city,omitempty"`
	Country      string `json:"country,omitempty"`
}

// Item is a file in the inbox and what was read of it.
type Item struct {
	ID               uuid.UUID        `json:"id"`
	Name             string           `json:"name" doc:"The file's."`
	Size             int64            `json:"size" doc:"Bytes."`
	SHA256           string           `json:"sha256" doc:"Of its bytes, in hexadecimal."`
	Status           Status           `json:"status" enum:"review,accepted,refused"`
	Reason           string           `json:"reason,omitempty" doc:"Why it was refused."`
	Findings         []crm.Finding    `json:"findings" nullable:"false" doc:"What it breaks: rules of EN 16931, UBL-SYNTAX where it is no such file, SELLER where somebody else sells."`
	Kind             string           `json:"kind,omitempty" doc:"invoice or credit_note."`
	Number           string           `json:"number,omitempty"`
	IssueDate        *crm.Date        `json:"issue_date,omitempty"`
	DueDate          *crm.Date        `json:"due_date,omitempty"`
	Currency         string           `json:"currency,omitempty"`
	Total            *decimal.Decimal `json:"total,omitempty" doc:"With tax; negative on a credit note."`
	Seller           string           `json:"seller,omitempty"`
	SellerIs         SellerIs         `json:"seller_is" enum:"ours,other,unknown" doc:"Whether that is the organization, as far as /seller knows it. Only its own invoices can be accepted."`
	Buyer            Buyer            `json:"buyer"`
	PaymentReference string           `json:"payment_reference,omitempty" doc:"What the payer is asked to write; payments are matched by it."`
	CustomerID       *uuid.UUID       `json:"customer_id,omitempty" doc:"The one customer who surely is the buyer; after it was accepted, the invoice's."`
	InvoiceID        *uuid.UUID       `json:"invoice_id,omitempty" doc:"What was made of it."`
	KnownID          *uuid.UUID       `json:"known_id,omitempty" doc:"While it waits: an invoice of this number that is there already."`
	TwinID           *uuid.UUID       `json:"twin_id,omitempty" doc:"While it waits: another file that waits with the same number."`
	CreatedAt        time.Time        `json:"created_at"`
	CreatedBy        string           `json:"created_by"`
	DecidedAt        *time.Time       `json:"decided_at,omitempty"`
	DecidedBy        string           `json:"decided_by,omitempty"`
}

// ErrNotFound says that there is no such file here.
var ErrNotFound = postgres.NotFound("no such file in the inbox")

// StatusError says that a file does not stand where something makes sense.
type StatusError struct{ Status Status }

func (e *StatusError) Error() string { return "it is " + string(e.Status) }

// Store keeps the inbox, inside the transactions of those who work in it.
type Store struct {
	CRM    *crm.Store
	Editor *edit.Editor
	Access *access.Store
}

// An invoice of the number is noticed wherever it came from: numbers are the organization's own, each is there once.
const columns = `
select b.id, b.name, b.size, b.sha256, b.status, b.reason, b.findings, b.kind, b.number, b.issue_date, b.due_date, b.currency, b.total, b.seller, b.seller_is,
	b.buyer, coalesce(b.payment_reference, '') as payment_reference, b.customer_id, b.invoice_id, k.id as known_id, t.id as twin_id, b.created_at, b.created_by,
	b.decided_at, coalesce(b.decided_by, '') as decided_by
from invoice_inbox b
left join lateral (
	select i.id from invoices i where b.status = 'review' and b.number <> '' and i.number = b.number and i.deleted_at is null limit 1
) k on true
left join lateral (
	select x.id from invoice_inbox x where b.status = 'review' and b.number <> '' and x.number = b.number and x.status = 'review' and x.id <> b.id limit 1
) t on true`

// Get returns a file, or [ErrNotFound].
func (s *Store) Get(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Item, error) {
	return one(ctx, tx, columns+" where b.id = $1", id)
}

func one(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Item, error) {
	return postgres.One(ctx, tx, "read the inbox", pgx.RowToStructByPos[Item], ErrNotFound, sql, args...)
}

// Query asks for files; zero fields do not narrow.
type Query struct {
	Status Status
	After  uuid.UUID // the last of the page before
	Limit  int       // 0: 50; at most 500
}

// List returns files, the newest first.
func (s *Store) List(ctx context.Context, tx pgx.Tx, q Query) (p postgres.Page[Item], err error) {
	return postgres.List(ctx, tx, "list the inbox", pgx.RowToStructByPos[Item], q.Limit, func(i Item) string { return i.ID.String() },
		columns+" where ($1 = '' or b.status = $1) and ($2::uuid is null or b.id < $2) order by b.id desc limit $3",
		q.Status, postgres.OrNull(q.After))
}

// Waiting is how many files wait for somebody.
func (s *Store) Waiting(ctx context.Context, tx pgx.Tx) (n int64, err error) {
	if err := tx.QueryRow(ctx, "select count(*) from invoice_inbox where status = 'review'").Scan(&n); err != nil {
		return 0, fmt.Errorf("count the inbox: %w", err)
	}
	return n, nil
}

// File returns the bytes of a file that was not accepted; an accepted one's are attached to its invoice, and it is
// [ErrNotFound].
func (s *Store) File(ctx context.Context, tx pgx.Tx, id uuid.UUID) ([]byte, error) {
	return file(ctx, tx, "select data from invoice_inbox where id = $1 and data is not null", id)
}

func file(ctx context.Context, tx pgx.Tx, sql string, id uuid.UUID) (data []byte, err error) {
	err = tx.QueryRow(ctx, sql, id).Scan(&data)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read a file of the inbox: %w", err)
	}
	return data, nil
}
