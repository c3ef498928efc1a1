package sheet

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// decoded reads text of an encoding as UTF-8 without a byte order mark. UTF-8 passes as it is, broken bytes too: what is
// wrong with a cell is for who reads it.
func decoded(in io.Reader, name string) io.Reader {
	if e := encodingOf(name); e != nil {
		return transform.NewReader(in, e.NewDecoder())
	}
	b := bufio.NewReaderSize(in, bufferSize)
	if mark, _ := b.Peek(3); string(mark) == "\ufeff" {
		_, _ = b.Discard(3)
	}
	return b
}

// encodingOf is an encoding by its name, nil for UTF-8. Those of UTF-16 have a byte order mark.
func encodingOf(name string) encoding.Encoding {
	switch name {
	case UTF16LE:
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case UTF16BE:
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case GB18030:
		return simplifiedchinese.GB18030
	case Windows1252:
		return charmap.Windows1252
	}
	return nil
}

const bufferSize = 64 << 10

// openText reads the rows of a text in UTF-8.
func openText(in io.Reader, delimiter string) source {
	in = linesOf(in)
	bounded := &boundedReader{in: in}
	if delimiter == Blanks {
		return &blankReader{in: bufio.NewReaderSize(bounded, bufferSize), bounded: bounded}
	}
	bounded.in = io.MultiReader(in, strings.NewReader("\n"+endMark+"\n"))
	r := csv.NewReader(bufio.NewReaderSize(bounded, bufferSize))
	r.Comma = rune(delimiter[0])
	r.FieldsPerRecord = -1
	r.LazyQuotes = true // a quotation mark where none belongs is part of the cell
	return &csvReader{in: r, bounded: bounded}
}

// linesOf gives a text whose lines end in a carriage return alone, as some bank programs and old Macs have it, with line feeds. It is
// one if its beginning has no line feed at all.
func linesOf(in io.Reader) io.Reader {
	b := bufio.NewReaderSize(in, bufferSize)
	if head, _ := b.Peek(bufferSize); bytes.IndexByte(head, '\n') < 0 && bytes.IndexByte(head, '\r') >= 0 {
		return feeds{b}
	}
	return b
}

type feeds struct{ in io.Reader }

func (f feeds) Read(p []byte) (int, error) {
	n, err := f.in.Read(p)
	for i, c := range p[:n] {
		if c == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}

// endMark is put behind a file: where it is no row of its own, a quotation mark before it was not closed, which encoding/csv
// lets pass together with those that belong to a cell.
const endMark = "\x00end\x00"

// boundedReader ends with ErrTooLong when a record takes more bytes than it may: encoding/csv reads one whole,
// however long it is.
type boundedReader struct {
	in   io.Reader
	left int
}

func (b *boundedReader) begin() { b.left = MaxRecord + bufferSize }

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, ErrTooLong
	}
	n, err := b.in.Read(p)
	b.left -= n
	return n, err
}

type csvReader struct {
	in      *csv.Reader
	bounded *boundedReader
	line    int64 // of the record before
}

func (c *csvReader) next() (Row, error) {
	for {
		c.bounded.begin()
		cells, err := c.in.Read()
		if errors.Is(err, io.EOF) {
			return Row{}, io.EOF
		}
		if err != nil {
			return Row{}, fmt.Errorf("after line %d: %w", c.line, err)
		}
		line, _ := c.in.FieldPos(0)
		c.line = int64(line)
		switch last := cells[len(cells)-1]; {
		case len(cells) == 1 && last == endMark:
			return Row{}, io.EOF
		case strings.Contains(last, endMark):
			return Row{}, fmt.Errorf("line %d: %w", line, ErrOpenQuote)
		}
		if len(cells) > maxColumns {
			return Row{}, fmt.Errorf("line %d: %w", line, ErrTooWide)
		}
		if empty(cells) {
			continue
		}
		for i, cell := range cells {
			cells[i] = unguard(cell)
		}
		return Row{Number: c.line, Cells: cells}, nil
	}
}

func (*csvReader) close() error { return nil }

// blankReader reads tables in columns.
type blankReader struct {
	in      *bufio.Reader
	bounded *boundedReader
	line    int64
}

func (b *blankReader) next() (Row, error) {
	for {
		b.bounded.begin()
		text, err := b.in.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return Row{}, fmt.Errorf("after line %d: %w", b.line, err)
		}
		b.line++
		cells := strings.Fields(text)
		switch {
		case len(cells) > maxColumns:
			return Row{}, fmt.Errorf("line %d: %w", b.line, ErrTooWide)
		case len(cells) > 0:
			return Row{Number: b.line, Cells: cells}, nil
		case err != nil:
			return Row{}, io.EOF
		}
	}
}

func (*blankReader) close() error { return nil }
