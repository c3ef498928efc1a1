package pdf

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
)

// The size of a page, A4, in points of 1/72 inch.
const (
	Width  = 595.28
	Height = 841.89
)

// Document is a file in the making. It is for one goroutine.
type Document struct {
	Title    string
	Language string    // "en", "zh-CN"
	Created  time.Time // written into the file

	pages         []*Page
	regular, bold *face
}

// New returns a document without pages.
func New() (*Document, error) {
	regular, err := newFace("GoRegular", goregular.TTF)
	if err != nil {
		return nil, err
	}
	bold, err := newFace("GoBold", gobold.TTF)
	if err != nil {
		return nil, err
	}
	return &Document{regular: regular, bold: bold}, nil
}

// Page is one of the document's pages. Positions are in points from its upper left corner; text stands on its line.
type Page struct {
	of      *Document
	content strings.Builder
}

// AddPage adds an empty page.
func (d *Document) AddPage() *Page {
	p := &Page{of: d}
	d.pages = append(d.pages, p)
	return p
}

// Measure returns how wide a text is.
func (d *Document) Measure(s string, size float64, bold bool) float64 {
	f := d.face(bold)
	var sum float64
	for _, r := range printable(s) {
		if g, ok := f.glyph(r); ok {
			sum += f.advance(g)
		} else {
			sum += wide
		}
	}
	return sum * size / 1000
}

const (
	song = "Song" // what pages call the Chinese font, which has no bold sister
	wide = 1000   // how wide a Chinese character is, in thousandths of the size
)

func (d *Document) face(bold bool) *face {
	if bold {
		return d.bold
	}
	return d.regular
}

// Text writes a text from x on, on the line y.
func (p *Page) Text(x, y, size float64, bold bool, s string) {
	f := p.of.face(bold)
	fmt.Fprintf(&p.content, "BT %s %s Td", number(x), number(Height-y))
	for _, run := range f.runs(printable(s)) {
		name := f.name
		if run.chinese {
			name = song
		}
		fmt.Fprintf(&p.content, " /%s %s Tf <%s> Tj", name, number(size), run.hex)
	}
	p.content.WriteString(" ET\n")
}

// Line draws a line of a width.
func (p *Page) Line(x1, y1, x2, y2, width float64) {
	fmt.Fprintf(&p.content, "%s w %s %s m %s %s l S\n", number(width), number(x1), number(Height-y1), number(x2), number(Height-y2))
}

// Fill fills a box, whose upper left corner is x, y, with a grey: 0 is black, 1 is white.
func (p *Page) Fill(x, y, width, height, grey float64) {
	fmt.Fprintf(&p.content, "%s g %s %s %s %s re f 0 g\n", number(grey), number(x), number(Height-y-height), number(width), number(height))
}

// run is a part of a text in one font.
type run struct {
	chinese bool
	hex     string // glyphs of the face, or UTF-16
}

// runs takes a text apart, and notes which glyphs are used.
func (f *face) runs(s string) []run {
	var all []run
	for _, r := range s {
		g, ok := f.glyph(r)
		if len(all) == 0 || all[len(all)-1].chinese == ok {
			all = append(all, run{chinese: !ok})
		}
		last := &all[len(all)-1]
		if ok {
			f.used[g] = r
			last.hex += fmt.Sprintf("%04X", uint16(g))
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			last.hex += fmt.Sprintf("%04X", unit)
		}
	}
	return all
}

// printable makes spaces of what moves a pen or ends a line, and leaves out emoji and what joins or colours them: no font of a paper has them,
// and viewers put boxes in their place.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029':
			return ' '
		case r == '\ufe0f', r == '\u200d', r >= 0x1f000 && r < 0x20000:
			return -1
		}
		return r
	}, s)
}

// number writes a coordinate: hundredths of a point are finer than any printer.
func number(x float64) string {
	s := strings.TrimRight(fmt.Sprintf("%.2f", x), "0")
	return strings.TrimSuffix(s, ".")
}
