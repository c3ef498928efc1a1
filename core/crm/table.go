package crm

import (
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// table is where a kind is stored. Columns come from the type's shape, so that type, JSON and table cannot part.
type table struct {
	name    string
	columns []field  // the shape's fields that are columns, the head's first
	reads   string   // select … from …, in their order
	key     string   // the natural key the store gives when empty, "" if there is none
	prefix  string   // of that key
	yearly  bool     // that key carries the document's year
	search  []string // what Search looks at: texts; the first is the code or number where there is one
	keys    []string // natural keys to find an entity by
	matched bool     // its entities are compared to find duplicates
	parts   []part
}

// part is the table of an entity's list: lines, addresses, allocations.
type part struct {
	name    string
	parent  string // the column with the entity's id
	list    string // the list in the entity, by its name in JSON
	field   field  // the same
	columns []field
	reads   string // select … from …: the parent, and the columns in their order
}

func tableOf(k Kind) table { return tables()[k] }

func (t table) selection() string { return "select " + names(t.columns, "") + " from " + t.name }

var tables = sync.OnceValue(func() map[Kind]table { //nolint:gochecknoglobals // derived from types once, never written again
	m := make(map[Kind]table)
	for _, k := range Kinds() {
		t := tableNames(k)
		t.matched = slices.Contains(Matched(), k)
		for _, f := range shapes()[k] {
			if f.column {
				t.columns = append(t.columns, f)
				continue
			}
			p := &t.parts[slices.IndexFunc(t.parts, func(p part) bool { return p.list == f.name })]
			p.field, p.columns = f, f.elem
			p.reads = "select " + p.parent + ", " + names(p.columns, "") + " from " + p.name
		}
		t.reads = t.selection()
		m[k] = t
	}
	return m
})

// tableNames is what of a kind's table its type does not say.
func tableNames(k Kind) table {
	t := table{name: k.Plural()}
	switch k {
	case KindCustomer:
		t.key, t.prefix, t.search, t.keys = "code", "C", []string{"code", "name", "phone", "email", "uscc", "tax_id"}, []string{"code", "uscc", "tax_id"}
		t.parts = []part{
			{name: "customer_addresses", parent: "customer_id", list: "addresses"},
			{name: "customer_invoice_profiles", parent: "customer_id", list: "invoice_profiles"},
		}
	case KindContact:
		t.search, t.keys = []string{"name", "email", "mobile", "phone"}, []string{"email"}
		t.parts = []part{{name: "contact_customers", parent: "contact_id", list: "customers"}}
	case KindProductCategory:
		t.search, t.keys = []string{"code", "name"}, []string{"code"}
	case KindProduct:
		t.search, t.keys = []string{"sku", "name", "category"}, []string{"sku"}
	case KindSegment:
		t.search, t.keys = []string{"name"}, []string{"name"}
		t.parts = []part{
			{name: "segment_conditions", parent: "segment_id", list: "rule"},
			{name: "segment_members", parent: "segment_id", list: "members"},
		}
	case KindCampaign:
		t.key, t.prefix, t.search, t.keys = "code", "CAM", []string{"code", "name"}, []string{"code"}
	case KindPipeline:
		t.search, t.keys = []string{"name"}, []string{"name"}
		t.parts = []part{{name: "pipeline_stages", parent: "pipeline_id", list: "stages"}}
	case KindOpportunity:
		t.numbered("OPP", "name")
		t.parts = []part{{name: "opportunity_lines", parent: "opportunity_id", list: "lines"}}
	case KindOrder:
		t.numbered("SO", "client_ref")
		t.parts = []part{
			{name: "order_lines", parent: "order_id", list: "lines"},
			{name: "order_instalments", parent: "order_id", list: "instalments"},
		}
	case KindInvoice:
		t.numbered("INV")
		t.parts = []part{
			{name: "invoice_lines", parent: "invoice_id", list: "lines"},
			{name: "invoice_findings", parent: "invoice_id", list: "findings"},
		}
	case KindPayment:
		t.numbered("PAY", "reference")
		t.parts = []part{{name: "payment_allocations", parent: "payment_id", list: "allocations"}}
	case KindContract:
		t.numbered("CT", "name")
		t.parts = []part{{name: "contract_signers", parent: "contract_id", list: "signers"}}
	case KindTicket:
		t.numbered("TK", "subject")
	case KindCampaignMember:
		t.search = []string{"response"}
	case KindFeedback:
		t.search = []string{"text"}
	case KindActivity, KindTask:
		t.search = []string{"subject"}
	case KindPrice:
		t.search = []string{"price_list"}
	case KindCurrencyRate:
		t.search = []string{"currency"}
	case KindCustomField:
		t.search = []string{"name", "label_en", "label_zh"}
	default:
		panic("crm: unknown kind " + string(k))
	}
	return t
}

// numbered makes t the table of documents: a number with the year is their key.
func (t *table) numbered(prefix string, search ...string) {
	t.key, t.prefix, t.yearly, t.keys = "number", prefix, true, []string{"number"}
	t.search = append([]string{"number"}, search...)
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
		for _, p := range t.parts {
			l := v.FieldByIndex(p.field.index)
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
