package crm

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// table is where a kind is stored. Columns come from the type's shape, so that type, JSON and table cannot part.
type table struct {
	name    string
	columns []field  // the shape's fields that are columns, the head's first
	key     string   // the natural key the store gives when empty, "" if there is none
	prefix  string   // of that key
	yearly  bool     // that key carries the document's year
	search  []string // what Search looks at: texts; the first is the code or number where there is one
	keys    []string // natural keys to find an entity by
	matched bool     // its entities are compared to find duplicates
	part    *part
}

// part is the table of an entity's list: lines, addresses, allocations.
type part struct {
	name    string
	parent  string // the column with the entity's id
	field   field  // the list in the entity
	columns []field
}

func tableOf(k Kind) table {
	s := shapes()[k]
	t := tableNames(k)
	t.matched = slices.Contains(Matched(), k)
	for _, f := range s {
		switch {
		case f.column:
			t.columns = append(t.columns, f)
		case t.part != nil:
			t.part.field = f
			t.part.columns = f.elem
		}
	}
	return t
}

func tableNames(k Kind) table {
	switch k {
	case KindCustomer:
		return table{
			name: "customers", key: "code", prefix: "C", search: []string{"code", "name", "phone", "email", "uscc", "tax_id"}, keys: []string{"code", "uscc", "tax_id"},
			part: &part{name: "customer_addresses", parent: "customer_id"},
		}
	case KindContact:
		return table{name: "contacts", search: []string{"name", "email", "mobile", "phone"}, keys: []string{"email"}, part: &part{name: "contact_customers", parent: "contact_id"}}
	case KindProduct:
		return table{name: "products", search: []string{"sku", "name", "category"}, keys: []string{"sku"}}
	case KindOrder:
		return table{
			name: "orders", key: "number", prefix: "SO", yearly: true, search: []string{"number", "client_ref"}, keys: []string{"number"},
			part: &part{name: "order_lines", parent: "order_id"},
		}
	case KindInvoice:
		return table{
			name: "invoices", key: "number", prefix: "INV", yearly: true, search: []string{"number"}, keys: []string{"number"},
			part: &part{name: "invoice_lines", parent: "invoice_id"},
		}
	case KindPayment:
		return table{
			name: "payments", key: "number", prefix: "PAY", yearly: true, search: []string{"number", "reference"}, keys: []string{"number"},
			part: &part{name: "payment_allocations", parent: "payment_id"},
		}
	default:
		panic("crm: unknown kind " + string(k))
	}
}

// names lists columns, each behind prefix.
func names(columns []field, prefix string) string {
	var b strings.Builder
	for i, c := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(prefix)
		b.WriteString(c.name)
	}
	return b.String()
}

// targets are where a row of the columns is scanned to.
func targets(columns []field, v reflect.Value, before ...any) []any {
	to := before
	for _, c := range columns {
		p := v.FieldByIndex(c.index).Addr().Interface()
		switch p := p.(type) {
		case *string:
			to = append(to, (*nullText)(p))
		case *time.Time:
			to = append(to, (*utc)(p))
		case **time.Time:
			to = append(to, &nullUTC{p})
		default:
			to = append(to, p)
		}
	}
	return to
}

// nullText reads null as "".
type nullText string

func (t *nullText) ScanText(v pgtype.Text) error {
	*t = nullText(v.String)
	return nil
}

// utc reads an instant in UTC, where the driver would choose the machine's zone.
type utc time.Time

func (t *utc) ScanTimestamptz(v pgtype.Timestamptz) error {
	*t = utc(v.Time.UTC())
	return nil
}

type nullUTC struct{ to **time.Time }

func (t *nullUTC) ScanTimestamptz(v pgtype.Timestamptz) error {
	*t.to = nil
	if v.Valid {
		at := v.Time.UTC()
		*t.to = &at
	}
	return nil
}

// scanAll reads the rows of a query on the table's columns, in their order, still without their parts.
func (t table) scanAll(k Kind, rows pgx.Rows) ([]Entity, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Entity, error) {
		e := empty(k)
		v := reflect.ValueOf(e).Elem()
		err := row.Scan(targets(t.columns, v, make([]any, 0, len(t.columns))...)...)
		if ext := v.FieldByName("Ext"); err == nil {
			ext.SetBytes(canonicalDocument(ext.Bytes()))
		}
		if t.part != nil {
			l := v.FieldByIndex(t.part.field.index)
			l.Set(reflect.MakeSlice(l.Type(), 0, 0))
		}
		return e, err
	})
}

func idsOf(entities []Entity) []uuid.UUID {
	ids := make([]uuid.UUID, len(entities))
	for i, e := range entities {
		ids[i] = e.head().ID
	}
	return ids
}
