package paper

import (
	"fmt"
	"slices"
	"strconv"

	"crmhub/core/paper/pdf"
)

// canvas is a page to draw on; positions are in points from its upper left corner.
type canvas interface {
	Text(x, y, size float64, bold bool, s string)
	Line(x1, y1, x2, y2, width float64)
	Fill(x, y, width, height, grey float64)
}

// Where things stand, in points.
const (
	left    = 50.0
	right   = pdf.Width - 50
	top     = 60.0
	bottom  = pdf.Height - 70 // the footer is below
	size    = 9.0             // of text
	leading = 13.0            // from line to line
	gap     = 6.0             // between columns
)

// layout is a sheet on its way onto pages: y is where the next line goes.
type layout struct {
	sheet
	measure func(s string, size float64, bold bool) float64
	next    func() canvas
	pages   []canvas
	page    canvas
	y       float64
}

// draw draws the sheet onto as many pages as it takes.
func (s sheet) draw(measure func(s string, size float64, bold bool) float64, next func() canvas) {
	l := &layout{sheet: s, measure: measure, next: next}
	l.turn()
	l.head()
	l.parties()
	l.table()
	l.sums()
	l.plan()
	l.foot()
}

// turn begins a page.
func (l *layout) turn() {
	l.page = l.next()
	l.pages = append(l.pages, l.page)
	l.y = top
}

// room begins a page if what comes is higher than what is left of this one; heading is then drawn again.
func (l *layout) room(height float64, heading func()) {
	if l.y+height > bottom && l.y > top {
		l.turn()
		heading()
	}
}

func (l *layout) wrap(s string, width, size float64, bold bool) []string {
	return wrap(s, width, func(s string) float64 { return l.measure(s, size, bold) })
}

// rightAligned writes a text that ends at x.
func (l *layout) rightAligned(x float64, bold bool, s string) {
	l.page.Text(x-l.measure(s, size, bold), l.y, size, bold, s)
}

func (l *layout) head() {
	const big = 14.0
	for _, s := range l.wrap(l.organization, right-left, big, true) {
		l.page.Text(left, l.y, big, true, s)
		l.y += big * 1.3
	}
	l.page.Line(left, l.y-big+4, right, l.y-big+4, 0.8)
	l.y += big
	title := l.title
	if l.mark != "" {
		title += " – " + l.mark
	}
	for _, s := range l.wrap(title, right-left, big, true) {
		l.page.Text(left, l.y, big, true, s)
		l.y += big * 1.3
	}
	l.y += 4
}

// parties puts the blocks on the left and the facts on the right, side by side.
func (l *layout) parties() {
	const split, label = left + 290, 85.0
	begin := l.y
	for _, b := range l.blocks {
		l.page.Text(left, l.y, size, true, b.title)
		l.y += leading
		for _, text := range b.lines {
			if text == "" {
				continue
			}
			for _, s := range l.wrap(text, split-left-20, size, false) {
				l.room(leading, func() {})
				l.page.Text(left, l.y, size, false, s)
				l.y += leading
			}
		}
		l.y += gap
	}
	end, pages := l.y, len(l.pages)
	if pages == 1 {
		l.y = begin
	}
	for _, f := range l.facts {
		l.room(leading, func() {})
		l.page.Text(split, l.y, size, true, f.name)
		for _, s := range l.wrap(f.value, right-split-label, size, false) {
			l.room(leading, func() {})
			l.page.Text(split+label, l.y, size, false, s)
			l.y += leading
		}
	}
	if pages == len(l.pages) {
		l.y = max(l.y, end)
	}
	l.y += leading
}

// column is one of the table of lines.
type column struct {
	title string
	width float64
	right bool // aligned
	of    func(no int, x line) string
}

func (l *layout) columns() []column {
	columns := []column{
		{l.words.position, 26, false, func(no int, _ line) string { return strconv.Itoa(no) }},
		{l.words.description, 0, false, func(_ int, x line) string { return x.description }},
		{l.words.qty, 54, true, func(_ int, x line) string { return plain(x.qty) }},
		{l.words.unit, 40, false, func(_ int, x line) string { return x.unit }},
		{l.words.price, 64, true, func(_ int, x line) string { return l.price(x.price) }},
		{l.words.discount, 40, true, func(_ int, x line) string { return plain(x.discountPct) }},
		{l.words.rate, 40, true, func(_ int, x line) string { return plain(x.taxRate) }},
		{l.words.line, 74, true, func(_ int, x line) string { return l.amount(x.untaxed) }},
	}
	if !slices.ContainsFunc(l.lines, func(x line) bool { return !x.discountPct.IsZero() }) {
		columns = slices.Delete(columns, 5, 6)
	}
	rest := right - left - gap*float64(len(columns)-1)
	for _, c := range columns {
		rest -= c.width
	}
	columns[1].width = rest // what the others leave
	return columns
}

// table draws the lines. One that is higher than what is left of the page goes to the next, and over several if it must.
func (l *layout) table() {
	if len(l.lines) == 0 {
		return
	}
	columns := l.columns()
	heading := func() {
		l.page.Fill(left-4, l.y-leading+3, right-left+8, leading+2, 0.92)
		l.cells(columns, true, func(i int) string { return columns[i].title })
		l.y += leading + 4
	}
	l.room(3*leading, func() {})
	heading()
	for no, x := range l.lines {
		texts := make([][]string, len(columns))
		height := 1
		for i, c := range columns {
			texts[i] = l.wrap(c.of(no+1, x), c.width, size, false)
			height = max(height, len(texts[i]))
		}
		if whole := float64(height) * leading; whole < bottom-top-3*leading {
			l.room(whole, heading)
		}
		for n := range height {
			l.room(leading, heading)
			l.cells(columns, false, func(i int) string {
				if n < len(texts[i]) {
					return texts[i][n]
				}
				return ""
			})
			l.y += leading
		}
		l.page.Line(left-4, l.y-leading+4, right+4, l.y-leading+4, 0.2)
		l.y += 3
	}
	l.y += gap
}

// cells writes a text in each column.
func (l *layout) cells(columns []column, bold bool, text func(i int) string) {
	x := left
	for i, c := range columns {
		switch s := text(i); {
		case s == "":
		case c.right:
			l.rightAligned(x+c.width, bold, s)
		default:
			l.page.Text(x, l.y, size, bold, s)
		}
		x += c.width + gap
	}
}

// sums draws the totals, together on one page.
func (l *layout) sums() {
	l.room(float64(len(l.totals))*leading, func() {})
	for _, t := range l.totals {
		l.rightAligned(right-100, t.bold, t.label)
		l.rightAligned(right, t.bold, t.amount)
		l.y += leading
	}
	l.y += leading
}

// plan draws when what is to be paid, and the note.
func (l *layout) plan() {
	if len(l.instalments) > 0 {
		l.room(3*leading, func() {})
		l.page.Text(left, l.y, size, true, l.words.instalments)
		l.y += leading
	}
	for _, i := range l.instalments {
		l.room(leading, func() {})
		l.page.Text(left, l.y, size, false, i.day)
		l.rightAligned(left+160, false, i.amount+" "+l.currency)
		l.y += leading
	}
	if l.note != "" {
		l.room(2*leading, func() {})
		l.y += leading
		l.page.Text(left, l.y, size, false, l.note)
	}
}

// foot numbers the pages, now that it is known how many there are.
func (l *layout) foot() {
	const small, y = 8.0, pdf.Height - 40
	for i, page := range l.pages {
		page.Line(left, y-12, right, y-12, 0.4)
		page.Text(left, y, small, false, l.title)
		number := fmt.Sprintf(l.words.page, i+1, len(l.pages))
		page.Text(right-l.measure(number, small, false), y, small, false, number)
	}
}
