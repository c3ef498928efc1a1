package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// layout says which files hold a kind of record, how a table's columns are its fields, and whether it is read or written.
type layout struct {
	record  string
	pattern string   // of file names, without case; whatever their suffix
	id      []string // the fields that make the record's id
	fields  []field
	list    string // the field that is a list of elements, one a row; "" if there is none
	element []field
	told    []field // of a table that is written, what it says besides
	writing
}

// writing says how a record is written; without a format it is read.
type writing struct {
	format string // csv, xlsx or jsonl
	folder string // below the place
	name   string // of its files, without a suffix: {reference} is whose it is, {n} counts the states that were written of it
}

// field is a column of a table.
type field struct {
	name  string
	kind  kind
	title string // its header; one that is read need be the same by headerOf only
}

type kind int

const (
	text kind = iota
	decimal
	date
)

// layouts are the default layouts, in the order in which a file looks for the one it belongs to.
func layouts() []layout {
	all := []layout{
		{record: "customer", pattern: "customer*", id: []string{"code"}, fields: fields("code name tax_id email phone website currency payment_term credit_limit:decimal street city postcode country")},
		{record: "product", pattern: "product*", id: []string{"sku"}, fields: fields("sku name category description unit currency list_price:decimal cost:decimal tax_rate:decimal")},
		{
			record: "order", pattern: "order*", id: []string{"number"},
			fields: fields("number customer client_ref date:date promised_date:date currency payment_term status " +
				"bill_street bill_district bill_city bill_province bill_postcode bill_country ship_street ship_district ship_city ship_province ship_postcode ship_country " +
				"untaxed:decimal tax:decimal total:decimal remark"),
			list: "lines", element: elements("line_", "product description unit qty:decimal price:decimal discount:decimal tax_rate:decimal"),
		},
		{
			record: "invoice", pattern: "invoice*", id: []string{"number"},
			fields: fields("number kind customer reverses issue_date:date due_date:date currency untaxed:decimal tax:decimal total:decimal open:decimal remark"), told: fields("status"),
			list: "lines", element: elements("line_", "product description unit qty:decimal price:decimal discount:decimal tax_rate:decimal untaxed:decimal tax:decimal"),
		},
		{
			record: "payment", pattern: "payment*", id: []string{"number"},
			fields: fields("number customer date:date method reference currency amount:decimal remark"), told: fields("status"),
			list: "allocations", element: []field{{"invoice", text, "invoice"}, {"amount", decimal, "allocated"}},
		},
	}
	for i := range all {
		all[i].told = append(all[i].told, field{deletedField, text, deletedField})
	}
	return all
}

// deletedField says of what is written that it does not exist any more.
const deletedField = "deleted"

func fields(names string) []field { return elements("", names) }

// elements are fields whose headers begin with a prefix.
func elements(prefix, names string) (all []field) {
	kinds := map[string]kind{"": text, "decimal": decimal, "date": date}
	for n := range strings.FieldsSeq(names) {
		name, kind, _ := strings.Cut(n, ":")
		all = append(all, field{name, kinds[kind], prefix + name})
	}
	return all
}

// settings is the configuration.
type settings struct {
	Settle     *int   `json:"settle_seconds"`
	Done       string `json:"done"`
	Decimal    string `json:"decimal_mark"`
	DateLayout string `json:"date_layout"`
	Encoding   string `json:"encoding"`
	Delimiter  string `json:"delimiter"`
	Findings   string `json:"findings"`
	SFTP       *server
	Customer   *override `json:"customer"`
	Product    *override `json:"product"`
	Order      *override `json:"order"`
	Invoice    *override `json:"invoice"`
	Payment    *override `json:"payment"`

	layouts []layout
}

// override changes a layout.
type override struct {
	Pattern string            `json:"pattern"`
	ID      []string          `json:"id"`
	Columns map[string]string `json:"columns"`
	Write   string            `json:"write"`
	Folder  string            `json:"folder"`
	Name    string            `json:"name"`
}

// settleTime is how long a file must be unchanged to be taken, unless the configuration says otherwise.
const settleTime = 10

func (s *settings) settle() time.Duration {
	if s.Settle == nil {
		return settleTime * time.Second
	}
	return time.Duration(*s.Settle) * time.Second
}

func parseSettings(config map[string]any) (*settings, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return nil, misconfigured(err.Error())
	}
	var s settings
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, misconfigured(err.Error())
	}
	s.layouts = layouts()
	overrides := map[string]*override{"customer": s.Customer, "product": s.Product, "order": s.Order, "invoice": s.Invoice, "payment": s.Payment}
	for i := range s.layouts {
		l := &s.layouts[i]
		if o := overrides[l.record]; o != nil {
			if err := errors.Join(l.apply(*o), l.written(*o, s.Delimiter)); err != nil {
				return nil, err
			}
		}
	}
	return &s, nil
}

func (l *layout) apply(o override) error {
	if o.Pattern != "" {
		l.pattern = strings.ToLower(o.Pattern)
		if _, err := path.Match(l.pattern, ""); err != nil {
			return misconfigured(fmt.Sprintf("/%s/pattern: %q is no pattern of file names", l.record, o.Pattern))
		}
	}
	if len(o.ID) > 0 {
		l.id = o.ID
		for _, name := range o.ID {
			if l.at(name) == nil {
				return misconfigured(fmt.Sprintf("/%s/id: there is no field %q", l.record, name))
			}
		}
	}
	for name, header := range o.Columns {
		f := l.at(name)
		if f == nil {
			return misconfigured(fmt.Sprintf("/%s/columns: there is no field %q", l.record, name))
		}
		f.title = header
	}
	return nil
}

// at returns a field by its name, one of an element by the list's name, a dot and its own.
func (l *layout) at(name string) *field {
	for i := range l.fields {
		if l.fields[i].name == name {
			return &l.fields[i]
		}
	}
	if of, inner, ok := strings.Cut(name, "."); ok && of == l.list {
		for i := range l.element {
			if l.element[i].name == inner {
				return &l.element[i]
			}
		}
	}
	return nil
}

func misconfigured(message string) *connector.Error {
	return &connector.Error{Class: connector.ClassConfig, Message: message, Remedy: "Correct the connection's configuration.", Said: schema.Say("config_wrong", message)}
}

// headerOf is a column's header as it is compared: letters and digits in lower case.
func headerOf(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return strings.Join(words, "")
}

// formats are the suffixes of names, and how what has them is read.
func formatOf(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".csv", ".txt", ".tsv", ".xlsx":
		return "table"
	case ".jsonl", ".ndjson":
		return "lines"
	case ".xml":
		return "ubl"
	}
	return ""
}

// owner is the layout that a file belongs to, nil if it belongs to none. Hidden files and those that programs have under
// way (.part, .tmp, ~$…) have no suffix that is read, or a beginning that is passed over.
func (s *settings) owner(name string) *layout {
	lower := strings.ToLower(name)
	if formatOf(name) == "" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~") {
		return nil
	}
	for i := range s.layouts {
		l := &s.layouts[i]
		if l.format != "" {
			continue
		}
		if formatOf(name) == "ubl" {
			if l.record == "invoice" { // whatever its name
				return l
			}
			continue
		}
		if ok, err := path.Match(l.pattern, lower); ok && err == nil {
			return l
		}
	}
	return nil
}
