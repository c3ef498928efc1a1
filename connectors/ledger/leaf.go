package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// leaf is the file of a record as it knows itself: the first line of a journal, the whole of a card.
type leaf struct {
	Reference string         `json:"reference"`
	Data      map[string]any `json:"data"`
	Posted    bool           `json:"posted,omitempty"` // it has been posted once; for ever true then
	// Turns are the days on which what was posted was cancelled, posted again after all, and so on by turns.
	Turns   []string `json:"turns,omitempty"`
	Deleted bool     `json:"deleted,omitempty"`

	at      string // where the file is
	content []byte
}

// mark begins the first line of a journal that is a record.
const mark = "; crmhub "

// load reads a record's file, nil if there is none.
func (f *folder) load(ctx context.Context, record, id string) (*leaf, error) {
	at, err := f.locate(ctx, record, id)
	if err != nil {
		return nil, failed(err)
	}
	if at == "" {
		return nil, nil
	}
	content, err := f.read(at)
	if err != nil {
		return nil, failed(err)
	}
	first, _, _ := bytes.Cut(content, []byte{'\n'})
	l := leaf{at: at, content: content}
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(first, []byte(mark))))
	d.UseNumber()
	if err := d.Decode(&l); err != nil {
		return nil, &connector.Error{
			Class: connector.ClassConflict, Message: fmt.Sprintf("%s is no file of the hub's", at), Err: err,
			Remedy: "Take it out of the folder, or put it back as it was.", Said: schema.Say("foreign_file", at),
		}
	}
	return &l, nil
}

func (l *leaf) record(id string) connector.Record {
	sum := sha256.Sum256(l.content)
	return connector.Record{ID: id, Version: hex.EncodeToString(sum[:8]), Deleted: l.Deleted, Data: l.Data}
}

// card reads what a document refers to.
func (f *folder) card(ctx context.Context, record, id string) (*document, error) {
	l, err := f.load(ctx, record, id)
	if err != nil {
		return nil, err
	}
	if l == nil {
		return nil, &connector.Error{
			Class: connector.ClassData, Message: fmt.Sprintf("the ledger has no %s %s", record, id),
			Remedy: fmt.Sprintf("Push the %s again.", record), Said: schema.Say("ledger_lacks", record, id),
		}
	}
	return parseDocument(record, l.Data)
}

// files is a folder during a call, for those who look cards up.
type files struct {
	*folder
	ctx context.Context //nolint:containedctx // lives as long as the call
}

func (f files) card(record, id string) (*document, error) { return f.folder.card(f.ctx, record, id) }

// turn notes a cancellation of what was posted, or that it holds after all.
func (l *leaf) turn(posted bool, on, today time.Time) {
	if posted == (len(l.Turns)%2 == 0) || !l.Posted {
		return
	}
	if on.After(today) {
		today = on
	}
	l.Turns = append(l.Turns, today.Format(time.DateOnly))
}

// bind writes the leaf of a record, and what its entries need.
func (s *session) bind(ctx context.Context, f *folder, record, id string, l *leaf) error {
	d, err := parseDocument(record, l.Data)
	if err != nil {
		return err
	}
	if record == customer || record == product {
		line, err := commented(l)
		if err != nil {
			return err
		}
		return l.put(f, path.Join("card", record, id+".json"), line+"\n")
	}
	var body strings.Builder
	at := path.Join("book", record, undated, id+f.suffix)
	l.Posted = l.Posted || d.Status == "posted"
	if l.Posted {
		e, p, err := s.entry(d, record, id, files{f, ctx})
		if err != nil {
			return err
		}
		at = path.Join("book", record, e.date.Format("2006/01"), id+f.suffix)
		l.turn(d.Status == "posted" && !l.Deleted, e.date, s.now().UTC())
		if err := s.declare(f, e, p); err != nil {
			return failed(err)
		}
		if err := s.entries(&body, l, e, p); err != nil {
			return err
		}
	}
	line, err := commented(l)
	if err != nil {
		return err
	}
	return l.put(f, at, mark+line+"\n"+body.String())
}

func (s *session) entry(d *document, record, id string, known cards) (entry, *price, error) {
	if record == invoice {
		return s.accounts.invoiceEntry(d, id, known)
	}
	e, err := s.accounts.paymentEntry(d, id, known)
	return e, nil, err
}

// entries writes the entry and, for each turn, its reverse or itself again.
func (s *session) entries(b *strings.Builder, l *leaf, e entry, p *price) error {
	syntax := s.accounts.syntax
	if p != nil {
		syntax.price(b, *p)
	}
	syntax.entry(b, e)
	for i, day := range l.Turns {
		on, err := time.Parse(time.DateOnly, day)
		if err != nil {
			return schema.Violations{{Pointer: "/turns", Rule: "format", Message: "the file has a date that is none"}}
		}
		again := e.reversed(on)
		if i%2 == 1 {
			again = e
			again.date = on
		}
		syntax.entry(b, again)
	}
	return nil
}

// declare writes down the accounts and currencies of an entry that were never used before.
func (s *session) declare(f *folder, e entry, p *price) error {
	currencies := map[string]int32{e.currency: e.digits}
	if p != nil {
		currencies[p.base] = (&reader{}).currency("/base_currency", p.base)
	}
	for code, digits := range currencies {
		if err := f.declare(path.Join("book", "commodity", code+f.suffix), s.accounts.syntax.commodity(code, digits)); err != nil {
			return err
		}
	}
	for _, p := range e.postings {
		name := path.Join("book", "account", strings.ReplaceAll(p.account, ":", ".")+f.suffix)
		if err := f.declare(name, s.accounts.syntax.account(p.account)); err != nil {
			return err
		}
	}
	return f.declare("main"+f.suffix, s.accounts.syntax.main(s.accounts.Base))
}

// put brings the leaf to where it belongs, with its new content. A file that changes its month is moved before it is
// written: at no time are there two.
func (l *leaf) put(f *folder, at, content string) error {
	if l.at != "" && l.at != at {
		if err := f.move(l.at, at); err != nil {
			return failed(err)
		}
	}
	if l.at != at || string(l.content) != content {
		if err := f.write(at, []byte(content)); err != nil {
			return failed(err)
		}
	}
	l.at, l.content = at, []byte(content)
	return nil
}
