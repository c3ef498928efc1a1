package file

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"crmhub/core/connector"
	"crmhub/core/schema"
	"crmhub/core/sheet"
)

// item is a record with where it ends.
type item struct {
	data  map[string]any
	first int64  // the line or row in which it begins
	last  int64  // the one that was the last to be read for it
	fault string // why it cannot be read, "" if it can
}

// source gives the records of a file one by one; io.EOF after the last. Another error says that the file cannot be read on.
type source interface {
	next() (item, error)
	close() error
}

// fileFault is what is wrong with a file as a whole; other errors are of the machine or the network.
type fileFault struct{ err error }

func (f fileFault) Error() string { return f.err.Error() }
func (f fileFault) Unwrap() error { return f.err }

// read opens a spooled file as records of a layout.
func (s *settings) read(ctx context.Context, l *layout, name string, in *spooled) (source, error) {
	if formatOf(name) == "lines" {
		return &lines{in: bufio.NewReaderSize(stopping{ctx, in}, 64<<10), layout: l}, nil
	}
	if formatOf(name) == "ubl" {
		return &invoiceFile{in: stopping{ctx, in}, refuse: s.Findings == "refuse"}, nil
	}
	form := in.form
	form.Header = true
	if form.Format == sheet.CSV {
		if s.Encoding != "" {
			form.Encoding = s.Encoding
		}
		if s.Delimiter != "" {
			form.Delimiter = s.Delimiter
		}
	}
	if strings.HasSuffix(strings.ToLower(name), ".xlsx") {
		form.Format = sheet.XLSX
	}
	r, err := sheet.Open(in, form)
	if err != nil {
		return nil, fileFault{err}
	}
	t := &table{rows: r, layout: l, cells: cells{s.Decimal, s.DateLayout, form.Format == sheet.XLSX}}
	if err := t.columns(r.Names()); err != nil {
		return nil, errors.Join(fileFault{err}, r.Close())
	}
	return t, nil
}

// table reads rows of CSV or XLSX. Rows that follow each other and have one id make one record where the layout has a list.
type table struct {
	rows   *sheet.Reader
	layout *layout
	cells  cells
	fields map[int]field // by column
	parts  map[int]field // those of the list's elements
	ahead  *row          // read already
}

type row struct {
	number int64
	data   map[string]any
	part   map[string]any // the element it holds, nil if none
	fault  string         // why it cannot be read; "" if it can
}

func (t *table) columns(names []string) error {
	t.fields, t.parts = map[int]field{}, map[int]field{}
	seen := map[string]bool{}
	for i, name := range names {
		header := headerOf(name)
		if header == "" || seen[header] {
			continue // of two columns with one name the first counts
		}
		seen[header] = true
		for _, f := range t.layout.fields {
			if headerOf(f.title) == header {
				t.fields[i] = f
			}
		}
		for _, f := range t.layout.element {
			if headerOf(f.title) == header {
				t.parts[i] = f
			}
		}
	}
	for _, name := range t.layout.id {
		if f := t.layout.at(name); f != nil && !seen[headerOf(f.title)] {
			return fmt.Errorf("there is no column for %s among the %d that the first row names", name, len(seen))
		}
	}
	return nil
}

func (t *table) next() (item, error) {
	first, err := t.row()
	if err != nil {
		return item{}, err
	}
	it := item{data: first.data, first: first.number, last: first.number, fault: first.fault}
	if len(t.parts) == 0 {
		return it, nil
	}
	id := idOf(t.layout, first.data)
	list := []any{}
	for r := first; ; {
		if r.part != nil {
			list = append(list, r.part)
		}
		it.last = r.number
		if r.fault != "" {
			it.fault = r.fault
		}
		for name, v := range r.data {
			if said, ok := first.data[name]; ok && said != v {
				it.fault = fmt.Sprintf("row %d has the id of row %d and another %s", r.number, first.number, name)
			}
			first.data[name] = v
		}
		if r, err = t.row(); err != nil && !errors.Is(err, io.EOF) {
			return item{}, err
		}
		if err != nil || id == "" || idOf(t.layout, r.data) != id {
			t.ahead = r
			break
		}
	}
	if len(list) > 0 {
		it.data[t.layout.list] = list
	}
	return it, nil
}

func (t *table) row() (*row, error) {
	if r := t.ahead; r != nil {
		t.ahead = nil
		return r, nil
	}
	read, err := t.rows.Next()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, fileFault{err}
	}
	r := row{number: read.Number, data: map[string]any{}}
	for i, cell := range read.Cells {
		if f, ok := t.fields[i]; ok {
			if v := t.value(&r, f, cell); v != "" {
				r.data[f.name] = v
			}
		}
		if f, ok := t.parts[i]; ok {
			if v := t.value(&r, f, cell); v != "" {
				if r.part == nil {
					r.part = map[string]any{}
				}
				r.part[f.name] = v
			}
		}
	}
	return &r, nil
}

func (t *table) value(r *row, f field, cell string) string {
	v, ok := t.cells.value(f.kind, cell)
	if !ok {
		r.fault = fmt.Sprintf("%s is no number with the decimal mark %s", f.name, t.cells.mark)
	}
	return v
}

func (t *table) close() error { return t.rows.Close() }

// lines reads JSON lines: one object each.
type lines struct {
	in     *bufio.Reader
	layout *layout
	number int64
}

const maxLine = 1 << 20

func (l *lines) next() (item, error) {
	for {
		line, err := l.line()
		if err != nil {
			return item{}, err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		it := item{first: l.number, last: l.number}
		doc, err := schema.DecodeJSON(line)
		data, ok := doc.(map[string]any)
		if ok {
			if data, ok = storable(data, 0).(map[string]any); !ok {
				err = errors.New("the object is nested too deeply")
			}
		}
		switch {
		case err != nil:
			it.fault = err.Error()
		case !ok:
			it.fault = "the line is no JSON object"
		default:
			it.data = data
			l.layout.texts(data)
		}
		return it, nil
	}
}

// line returns the next line, io.EOF after the last.
func (l *lines) line() ([]byte, error) {
	l.number++
	var whole []byte
	for {
		part, err := l.in.ReadSlice('\n')
		if whole = append(whole, part...); len(whole) > maxLine {
			return nil, fileFault{fmt.Errorf("line %d is longer than 1 MiB", l.number)}
		}
		switch {
		case err == nil, errors.Is(err, io.EOF) && len(whole) > 0:
			return bytes.TrimPrefix(whole, []byte("\ufeff")), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// mostNested is how deep a line's object may be; records are three deep.
const mostNested = 20

// storable is a JSON value as the database can keep it, in a dead letter, too: without NUL, without numbers beyond all measure.
// It is nil for what is nested too deeply.
func storable(v any, depth int) any {
	if depth > mostNested {
		return nil
	}
	switch v := v.(type) {
	case string:
		return printable(v)
	case json.Number:
		if len(v) > 40 || strings.ContainsAny(v.String(), "eE") {
			return v.String()
		}
	case []any:
		for i := range v {
			if e := v[i]; e != nil {
				if v[i] = storable(e, depth+1); v[i] == nil {
					return nil
				}
			}
		}
	case map[string]any:
		clean := make(map[string]any, len(v))
		for name, e := range v {
			if e != nil {
				if e = storable(e, depth+1); e == nil {
					return nil
				}
			}
			clean[printable(name)] = e
		}
		return clean
	}
	return v
}

// texts makes texts of the numbers in fields that are no numbers to the hub: codes and amounts.
func (l *layout) texts(data map[string]any) {
	plain := func(fields []field, data map[string]any) {
		for _, f := range fields {
			if n, ok := data[f.name].(json.Number); ok {
				data[f.name], _ = cells{}.value(f.kind, n.String())
			}
		}
	}
	plain(l.fields, data)
	list, _ := data[l.list].([]any)
	for _, e := range list {
		if element, ok := e.(map[string]any); ok {
			plain(l.element, element)
		}
	}
}

func (*lines) close() error { return nil }

// idOf is a record's id: its id fields, "" if one is missing.
func idOf(l *layout, data map[string]any) string {
	parts := make([]string, len(l.id))
	for i, name := range l.id {
		part, _ := data[name].(string)
		if part == "" {
			return ""
		}
		if parts[i] = part; len(parts) > 1 {
			parts[i] = strings.NewReplacer(`\`, `\\`, "|", `\|`).Replace(part)
		}
	}
	return strings.Join(parts, "|")
}

// longestID is how long an id may be: it is looked up by an index.
const longestID = 500

// recordOf makes a record of an item. One without an id that can be kept is named after its place.
func (l *layout) recordOf(name string, in *spooled, at found, it item) connector.Record {
	r := connector.Record{ID: idOf(l, it.data), Version: versionOf(it.data), UpdatedAt: at.Modified, Data: it.data}
	if r.ID == "" || len(r.ID) > longestID || it.fault != "" {
		r.ID = fmt.Sprintf("%s#%d@%s", name, it.first, in.digest[:8])
	}
	if it.fault != "" {
		r.Err = fmt.Errorf("%s, row %d: %s", name, it.first, it.fault)
	}
	if r.Data == nil {
		r.Data = map[string]any{}
	}
	return r
}
