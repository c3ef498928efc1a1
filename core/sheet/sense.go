package sheet

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Sensor learns the form of a file from its bytes as they pass by Write: the encoding from all of them, the rest from
// the first. It never fails; a file of no form is a CSV file with one column.
type Sensor struct {
	head           []byte
	size           int64
	lines, returns int64 // line feeds and carriage returns
	last           byte
	utf8           utf8Count
	gb             gbCount
}

// Write takes in the next bytes of the file. Its error is always nil.
func (s *Sensor) Write(p []byte) (int, error) {
	if room := headSize - len(s.head); room > 0 {
		s.head = append(s.head, p[:min(room, len(p))]...)
	}
	s.size += int64(len(p))
	s.lines += int64(bytes.Count(p, []byte{'\n'}))
	s.returns += int64(bytes.Count(p, []byte{'\r'}))
	if len(p) > 0 {
		s.last = p[len(p)-1]
	}
	s.utf8.write(p)
	s.gb.write(p)
	return len(p), nil
}

// Size is how many bytes have passed.
func (s *Sensor) Size() int64 { return s.size }

// Lines is how many lines a text has: about its rows. It says nothing about an XLSX file.
func (s *Sensor) Lines() int64 {
	lines := s.lines
	if lines == 0 {
		lines = s.returns
	}
	if s.size > 0 && s.last != '\n' && (s.last != '\r' || s.lines > 0) {
		lines++
	}
	return lines
}

// Form is what the file seems to be.
func (s *Sensor) Form() Form {
	if bytes.HasPrefix(s.head, []byte("PK\x03\x04")) {
		return Form{Format: XLSX, Header: true}
	}
	f := Form{Format: CSV, Encoding: s.encoding(), Delimiter: ","}
	text, err := io.ReadAll(decoded(bytes.NewReader(s.head), f.Encoding))
	if err != nil || len(text) == 0 {
		f.Header = true
		return f
	}
	if s.size > int64(len(s.head)) { // the head ends inside a line
		if end := bytes.LastIndexAny(text, "\r\n"); end > 0 {
			text = text[:end]
		}
	}
	f.Delimiter = delimiterOf(text)
	f.Header = hasHeader(text, f)
	f.Decimal = decimalMarkOf(text, f.Delimiter)
	return f
}

func (s *Sensor) encoding() string {
	switch {
	case bytes.HasPrefix(s.head, []byte{0xff, 0xfe}):
		return UTF16LE
	case bytes.HasPrefix(s.head, []byte{0xfe, 0xff}):
		return UTF16BE
	case s.utf8.good >= 4*s.utf8.bad: // a few broken cells do not make another encoding of it
		return UTF8
	case s.gb.bad*50 <= s.gb.common && s.gb.rare <= s.gb.common/2:
		return GB18030
	default:
		return Windows1252
	}
}

// utf8Count counts the characters of more than one byte, and the bytes that are none.
type utf8Count struct {
	good, bad int64
	rest      []byte // the beginning of a character that p cut off
}

func (c *utf8Count) write(p []byte) {
	if len(c.rest) > 0 {
		n := min(utf8.UTFMax, len(p))
		joined := append(c.rest, p[:n]...)
		r, size := utf8.DecodeRune(joined)
		switch {
		case !utf8.FullRune(joined):
			c.rest = joined
			return
		case r == utf8.RuneError && size <= 1:
			c.bad++
			size = len(c.rest)
		default:
			c.good++
		}
		p = p[max(0, size-len(c.rest)):]
		c.rest = nil
	}
	for len(p) > 0 {
		if p[0] < utf8.RuneSelf {
			p = p[1:]
			continue
		}
		if !utf8.FullRune(p) {
			c.rest = append([]byte(nil), p...)
			return
		}
		r, size := utf8.DecodeRune(p)
		if r == utf8.RuneError && size <= 1 {
			c.bad++
		} else {
			c.good++
		}
		p = p[size:]
	}
}

// gbCount counts pairs of bytes as GB18030 has them: those of GB 2312, which nearly all Chinese text is made of, other
// ones, and what cannot be. Western text read so has a letter as the second byte of most pairs: these are the other ones.
type gbCount struct {
	common, rare, bad int64
	lead              byte
}

func (c *gbCount) write(p []byte) {
	for _, b := range p {
		switch {
		case c.lead == 0 && b < 0x80:
		case c.lead == 0 && (b == 0x80 || b == 0xff):
			c.bad++
		case c.lead == 0:
			c.lead = b
		case b >= 0xa1 && b != 0xff && c.lead >= 0xa1 && c.lead <= 0xf7:
			c.common, c.lead = c.common+1, 0
		case b >= 0x40 && b != 0x7f && b != 0xff, b >= '0' && b <= '9':
			c.rare, c.lead = c.rare+1, 0
		default:
			c.bad, c.lead = c.bad+1, 0
		}
	}
}

const sensedRows = 100

// delimiterOf is the delimiter by which the most rows have as many cells as the first; of two, the one that makes more.
func delimiterOf(text []byte) string {
	best, bestShare, bestCells := ",", 0.5, 1
	for _, d := range Delimiters() {
		if d == Blanks && bestCells > 1 {
			break
		}
		rows := firstRows(text, d, sensedRows)
		if len(rows) == 0 || len(rows[0]) < 2 {
			continue
		}
		same := 0
		for _, r := range rows {
			if len(r) == len(rows[0]) {
				same++
			}
		}
		share := float64(same) / float64(len(rows))
		if d == Blanks && (share < 1 || len(rows) < 2) {
			continue // sentences have blanks, too
		}
		if share > bestShare || share == bestShare && len(rows[0]) > bestCells {
			best, bestShare, bestCells = d, share, len(rows[0])
		}
	}
	return best
}

func firstRows(text []byte, delimiter string, most int) [][]string {
	r := openText(bytes.NewReader(text), delimiter)
	var rows [][]string
	for len(rows) < most {
		row, err := r.next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return rows
			}
			break
		}
		rows = append(rows, row.Cells)
	}
	return rows
}

// What a number tells of its decimal mark: not 1.234, which may be thousands or thousandths, but 1.234,5 and 1.23 and 0.125
// and 1234.567, and 1.234.567 of the other sign.
var (
	tellsPoint = regexp.MustCompile(`^[0-9]{1,3}(,[0-9]{3})+\.[0-9]+$|^[0-9]*\.([0-9]{1,2}|[0-9]{4,})$|^(0?|[0-9]{4,})\.[0-9]{3}$|^[0-9]{1,3}(,[0-9]{3}){2,}$`)
	tellsComma = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{3})+,[0-9]+$|^[0-9]*,([0-9]{1,2}|[0-9]{4,})$|^(0?|[0-9]{4,}),[0-9]{3}$|^[0-9]{1,3}(\.[0-9]{3}){2,}$`)
)

// Marks learns the decimal mark of a file from its cells.
type Marks struct{ points, commas bool }

// See takes in a cell that is text.
func (m *Marks) See(cell string) {
	cell = strings.Trim(cell, " +-()%¥$€£\u00a0")
	m.points, m.commas = m.points || tellsPoint.MatchString(cell), m.commas || tellsComma.MatchString(cell)
}

// Mark is the one that the numbers tell; "" if none does, or not all the same.
func (m *Marks) Mark() string {
	switch {
	case m.points && !m.commas:
		return Point
	case m.commas && !m.points:
		return Comma
	}
	return ""
}

func decimalMarkOf(text []byte, delimiter string) string {
	var m Marks
	for _, row := range firstRows(text, delimiter, len(text)) {
		for _, cell := range row {
			m.See(cell)
		}
	}
	return m.Mark()
}

var valueForm = regexp.MustCompile(`^[-+(]?[¥$€£]?[0-9][0-9.,:/ \-]*[%)]?$|^[^@ ]+@[^@ ]+\.[^@ ]+$`)

// hasHeader reports whether the first row names columns: it does unless a cell of it is a number, a date or an address.
func hasHeader(text []byte, f Form) bool {
	rows := firstRows(text, f.Delimiter, 1)
	if len(rows) == 0 {
		return true
	}
	for _, c := range rows[0] {
		if valueForm.MatchString(strings.TrimSpace(c)) {
			return false
		}
	}
	return true
}
