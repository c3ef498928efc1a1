package einvoice

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
)

// Write writes an invoice as UBL 2.1, UTF-8. What is empty is left out, so what is written is as complete as v:
// [Check] says what is missing.
func Write(w io.Writer, v *Invoice) error {
	var b bytes.Buffer
	root := v.element()
	space := spaceInvoice
	if v.CreditNote {
		space = spaceCreditNote
	}
	fmt.Fprintf(&b, "%s<%s xmlns=%q xmlns:cac=%q xmlns:cbc=%q>\n", xml.Header, root.name, space, spaceCAC, spaceCBC)
	for _, c := range root.children {
		c.write(&b, "  ")
	}
	fmt.Fprintf(&b, "</%s>\n", root.name)
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write invoice: %w", err)
	}
	return nil
}

// element makes the document of an invoice.
func (v *Invoice) element() *element {
	root := &element{name: rootInvoice}
	if v.CreditNote {
		root.name = rootCreditNote
	}
	copied := *v // binding writes nothing into it, but the compiler cannot know
	copied.bind(&binding{at: root, write: true})
	count := 0
	root.walk(func(e *element) {
		e.order = count
		count++
	})
	return root
}

func (e *element) write(b *bytes.Buffer, indent string) {
	b.WriteString(indent + "<" + e.name)
	for _, a := range e.attrs {
		b.WriteString(" " + a.name + `="`)
		_ = xml.EscapeText(b, []byte(a.value))
		b.WriteByte('"')
	}
	b.WriteByte('>')
	if len(e.children) == 0 {
		_ = xml.EscapeText(b, []byte(e.text))
	} else {
		b.WriteByte('\n')
		for _, c := range e.children {
			c.write(b, indent+"  ")
		}
		b.WriteString(indent)
	}
	b.WriteString("</" + e.name + ">\n")
}
