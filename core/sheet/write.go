package sheet

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/transform"
)

// Type is what the cells of a column are.
type Type int

// The types.
const (
	Text    Type = iota
	Number       // a decimal number, with a point; in CSV with a comma, too
	Date         // 2006-01-02
	Instant      // RFC 3339
	Boolean      // true or false
)

// Column is a column of a table that is written.
type Column struct {
	Name string
	Type Type
}

// Writer writes a table, row by row. Nothing is complete before Close, which does not close what it writes to.
type Writer interface {
	// Write adds a row of as many cells as there are columns, each as its column's type says or "".
	Write(cells []string) error
	Close() error
}

// ErrTooManyRows says that an XLSX sheet holds no more than 1,048,576 rows.
var ErrTooManyRows = errors.New("an XLSX sheet holds no more than 1,048,575 rows and a header: export as CSV")

// NewWriter begins to write a table with a header.
func NewWriter(to io.Writer, format Format, columns []Column) (Writer, error) {
	if format == XLSX {
		return newXLSXWriter(to, columns)
	}
	return NewCSVWriter(to, "", "", columns)
}

// ErrUnwritable says that a text has a character that an encoding lacks.
var ErrUnwritable = errors.New("it has characters that the encoding of the file lacks")

// NewCSVWriter begins to write a table with a header in an encoding and with a delimiter of [Form]; "" is UTF-8 and a comma.
// Write and Close fail with [ErrUnwritable] where the encoding lacks a character.
func NewCSVWriter(to io.Writer, encoding, delimiter string, columns []Column) (Writer, error) {
	if delimiter == Blanks {
		return nil, errors.New("a table with blanks between its columns is only read")
	}
	w := &csvWriter{buffer: bufio.NewWriterSize(to, bufferSize), columns: columns, cells: make([]string, len(columns))}
	text := io.Writer(w.buffer)
	if e := encodingOf(encoding); e != nil {
		w.encoder = transform.NewWriter(w.buffer, e.NewEncoder())
		text = w.encoder
	} else if _, err := w.buffer.WriteString("\ufeff"); err != nil {
		return nil, err
	}
	w.out = csv.NewWriter(text)
	w.out.UseCRLF = true
	if delimiter != "" {
		w.out.Comma = rune(delimiter[0])
	}
	for i, c := range columns {
		w.cells[i] = guard(c.Name)
	}
	return w, w.told(w.out.Write(w.cells))
}

// csvWriter writes RFC 4180. UTF-8 gets a byte order mark, without which Excel takes Chinese for something else.
type csvWriter struct {
	buffer  *bufio.Writer
	encoder *transform.Writer // nil: UTF-8
	out     *csv.Writer
	columns []Column
	cells   []string
}

func (w *csvWriter) Write(cells []string) error {
	for i, c := range cells {
		if w.columns[i].Type != Number || !numberForm.MatchString(c) {
			c = guard(lineEnds.Replace(c))
		}
		w.cells[i] = c
	}
	return w.told(w.out.Write(w.cells[:len(cells)]))
}

func (w *csvWriter) Close() error {
	w.out.Flush()
	err := w.out.Error()
	if w.encoder != nil {
		err = errors.Join(err, w.encoder.Close())
	}
	if err != nil {
		return w.told(err)
	}
	return w.buffer.Flush()
}

// told names what an encoder has against a text: it knows one reason to fail, if what it writes to has none.
func (w *csvWriter) told(err error) error {
	if w.encoder != nil && err != nil && w.buffer.Flush() == nil {
		return fmt.Errorf("%w: %w", ErrUnwritable, err)
	}
	return err
}

// lineEnds makes every line end within a cell the one that csv.Writer turns into CRLF: it would drop a lone CR.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n") //nolint:gochecknoglobals // a constant

var numberForm = regexp.MustCompile(`^-?[0-9]+([.,][0-9]+)?$`)

// guard keeps a cell from being a formula: what a spreadsheet would begin to calculate gets an apostrophe before it. So does
// what looks guarded already, or unguard would take its own apostrophe away.
func guard(s string) string {
	if isFormula(strings.TrimLeft(s, "'")) {
		return "'" + s
	}
	return s
}

// unguard takes away the apostrophe that guard wrote, so that what was exported comes back the same.
func unguard(s string) string {
	if strings.HasPrefix(s, "'") && isFormula(strings.TrimLeft(s, "'")) {
		return s[1:]
	}
	return s
}

func isFormula(s string) bool { return s != "" && strings.IndexByte("=+-@\t\r", s[0]) >= 0 }

// xlsxWriter writes typed cells; the header stays in sight. The sheet goes through a temporary file.
type xlsxWriter struct {
	to      io.Writer
	book    *excelize.File
	out     *excelize.StreamWriter
	columns []Column
	styles  [Boolean + 1]int
	row     int
}

const sheetName = "Sheet1" // what excelize names the first

func newXLSXWriter(to io.Writer, columns []Column) (*xlsxWriter, error) {
	w := &xlsxWriter{to: to, book: excelize.NewFile(), columns: columns}
	if err := w.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("begin a workbook: %w", err), w.book.Close())
	}
	return w, nil
}

func (w *xlsxWriter) begin() (err error) {
	day, instant := "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"
	bold, err := w.book.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		return err
	}
	if w.styles[Date], err = w.book.NewStyle(&excelize.Style{CustomNumFmt: &day}); err != nil {
		return err
	}
	if w.styles[Instant], err = w.book.NewStyle(&excelize.Style{CustomNumFmt: &instant}); err != nil {
		return err
	}
	if w.out, err = w.book.NewStreamWriter(sheetName); err != nil {
		return err
	}
	if err = w.out.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	if len(w.columns) > 0 {
		if err = w.out.SetColWidth(1, len(w.columns), 16); err != nil {
			return err
		}
	}
	header := make([]any, len(w.columns))
	for i, c := range w.columns {
		header[i] = excelize.Cell{Value: c.Name, StyleID: bold}
	}
	w.row = 1
	return w.out.SetRow("A1", header)
}

func (w *xlsxWriter) Write(cells []string) error {
	if w.row == excelize.TotalRows {
		return ErrTooManyRows
	}
	w.row++
	typed := make([]any, len(cells))
	for i, c := range cells {
		if c != "" {
			typed[i] = w.typed(w.columns[i].Type, c)
		}
	}
	return w.out.SetRow("A"+strconv.Itoa(w.row), typed)
}

// typed is a cell's value; what does not fit its type stays text.
func (w *xlsxWriter) typed(t Type, s string) any {
	switch t {
	case Number:
		if len(s) <= 15 && numberForm.MatchString(s) { // a spreadsheet counts with 15 digits: more of them stay text
			if f, err := strconv.ParseFloat(s, 64); err == nil {
				return f
			}
		}
	case Date:
		if d, err := time.Parse(time.DateOnly, s); err == nil && d.Year() >= 1900 {
			return excelize.Cell{Value: d, StyleID: w.styles[Date]}
		}
	case Instant:
		if at, err := time.Parse(time.RFC3339, s); err == nil && at.Year() >= 1900 {
			return excelize.Cell{Value: at.UTC(), StyleID: w.styles[Instant]}
		}
	case Boolean:
		if s == "true" || s == "false" {
			return s == "true"
		}
	}
	return s
}

func (w *xlsxWriter) Close() error {
	err := w.out.Flush()
	if err == nil {
		_, err = w.book.WriteTo(w.to)
	}
	if err = errors.Join(err, w.book.Close()); err != nil {
		return fmt.Errorf("write the workbook: %w", err)
	}
	return nil
}
