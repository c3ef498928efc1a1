package einvoice

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
)

// What a file may be at most. An invoice of 1,000 lines has about 2 MB and 50,000 elements; attachments are inside.
const (
	MaxBytes    = 32 << 20
	maxElements = 1_000_000
	maxDepth    = 64
)

// SyntaxError is why a file is no invoice that can be read. It is the file's fault, not the reader's.
type SyntaxError struct {
	Line   int // from 1; 0 if no line is to blame
	Reason string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Reason
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
}

// Namespaces of UBL 2.1.
const (
	spaceInvoice    = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
	spaceCreditNote = "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2"
	spaceCAC        = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
	spaceCBC        = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
	spaceEXT        = "urn:oasis:names:specification:ubl:schema:xsd:CommonExtensionComponents-2"
)

// Parse reads a UBL 2.1 Invoice or CreditNote. What is in the file but has no meaning in EN 16931 is passed over, and
// what ought to be there may be missing: [Check] tells. It returns a *SyntaxError for what is no such file, breaks a limit
// or has a document type declaration; any other error is r's.
func Parse(r io.Reader) (*Invoice, error) {
	root, err := parse(r)
	if err != nil {
		return nil, err
	}
	return fromElement(root), nil
}

func fromElement(root *element) *Invoice {
	v := &Invoice{CreditNote: root.name == rootCreditNote, source: root}
	v.bind(&binding{at: root})
	return v
}

// parser builds the tree. Its stacks are by depth.
type parser struct {
	decoder *xml.Decoder
	names   map[xml.Name]string
	open    []*element
	texts   [][]byte
	last    []map[string]*element // by name, the newest child of an open element
	root    *element
	count   int
}

func parse(r io.Reader) (*element, error) {
	limited := &io.LimitedReader{R: r, N: MaxBytes + 1}
	kept := &keepError{r: limited}
	text, wide := utf8Of(kept)
	p := &parser{decoder: xml.NewDecoder(text), names: map[xml.Name]string{}}
	p.decoder.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		if wide { // it is UTF-8 by now, whatever it says
			return in, nil
		}
		encoding, err := ianaindex.IANA.Encoding(label)
		if err != nil || encoding == nil {
			return nil, fmt.Errorf("unknown encoding %q", label)
		}
		return encoding.NewDecoder().Reader(in), nil
	}
	for {
		line, _ := p.decoder.InputPos()
		token, err := p.decoder.Token()
		switch {
		case limited.N <= 0:
			return nil, &SyntaxError{Reason: fmt.Sprintf("the file has more than %d MiB", MaxBytes>>20)}
		case kept.err != nil:
			return nil, fmt.Errorf("read invoice: %w", kept.err)
		case errors.Is(err, io.EOF) && p.root != nil:
			return p.root, nil
		case errors.Is(err, io.EOF):
			return nil, &SyntaxError{Reason: "the file is empty"}
		case err != nil:
			return nil, notXML(line, err)
		}
		if reason := p.take(token, line); reason != "" {
			return nil, &SyntaxError{Line: line, Reason: reason}
		}
	}
}

// utf8Of decodes a file that begins with a byte order mark of UTF-16, which every reader of XML has to know.
func utf8Of(r io.Reader) (text io.Reader, wide bool) {
	b := bufio.NewReader(r)
	mark, _ := b.Peek(2)
	if string(mark) != "\xff\xfe" && string(mark) != "\xfe\xff" {
		return b, false
	}
	return unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Reader(b), true
}

func notXML(line int, err error) error {
	if bad, ok := errors.AsType[*xml.SyntaxError](err); ok {
		return &SyntaxError{Line: bad.Line, Reason: "not well-formed XML: " + bad.Msg}
	}
	return &SyntaxError{Line: line, Reason: "not well-formed XML: " + err.Error()}
}

// take adds a token to the tree; it returns what is wrong with it.
func (p *parser) take(token xml.Token, line int) (reason string) {
	switch t := token.(type) {
	case xml.StartElement:
		return p.start(t, line)
	case xml.EndElement:
		n := len(p.open) - 1
		if e := p.open[n]; len(e.children) == 0 {
			e.text = string(p.texts[n])
		}
		p.open = p.open[:n]
	case xml.CharData:
		if n := len(p.open); n > 0 {
			p.texts[n-1] = append(p.texts[n-1], t...)
		} else if strings.Trim(string(t), "\ufeff"+space) != "" {
			return "text outside of the document's element"
		}
	case xml.Directive:
		return "document type declarations and entities are refused"
	}
	return ""
}

func (p *parser) start(t xml.StartElement, line int) (reason string) {
	depth := len(p.open)
	e := &element{name: p.name(t.Name), line: line, order: p.count, nth: 1}
	switch p.count++; {
	case depth == 0 && p.root != nil:
		return "a second document after the first"
	case depth == 0 && e.name != rootInvoice && e.name != rootCreditNote:
		return "not a UBL 2.1 Invoice or CreditNote"
	case depth >= maxDepth:
		return fmt.Sprintf("elements are nested deeper than %d", maxDepth)
	case p.count > maxElements:
		return fmt.Sprintf("more than %d elements", maxElements)
	}
	for _, a := range t.Attr {
		if a.Name.Space == "" && a.Name.Local != "xmlns" {
			e.attrs = append(e.attrs, attribute{a.Name.Local, a.Value})
		}
	}
	if depth == 0 {
		p.root = e
	} else {
		e.parent = p.open[depth-1]
		if before := p.last[depth-1][e.name]; before != nil {
			e.nth, e.several, before.several = before.nth+1, true, true
		}
		p.last[depth-1][e.name] = e
		e.parent.children = append(e.parent.children, e)
	}
	p.open = append(p.open, e)
	if depth == len(p.last) {
		p.last, p.texts = append(p.last, map[string]*element{}), append(p.texts, nil)
	} else {
		clear(p.last[depth])
		p.texts[depth] = p.texts[depth][:0]
	}
	return ""
}

// name gives an element the customary prefix of its namespace; one of another keeps its own in braces.
func (p *parser) name(n xml.Name) string {
	if known, ok := p.names[n]; ok {
		return known
	}
	name := "{" + n.Space + "}" + n.Local
	switch n.Space {
	case spaceCBC:
		name = "cbc:" + n.Local
	case spaceCAC:
		name = "cac:" + n.Local
	case spaceEXT:
		name = "ext:" + n.Local
	case spaceInvoice, spaceCreditNote:
		if n.Local == rootInvoice && n.Space == spaceInvoice || n.Local == rootCreditNote && n.Space == spaceCreditNote {
			name = n.Local
		}
	}
	p.names[n] = name
	return name
}

// keepError remembers what a reader failed with, since the decoder makes all one.
type keepError struct {
	r   io.Reader
	err error
}

func (k *keepError) Read(b []byte) (int, error) {
	n, err := k.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		k.err = err
	}
	return n, err
}
