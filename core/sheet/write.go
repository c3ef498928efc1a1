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
)

// Type is what the cells of a column are.
type Type int

// The types.
const (
	Text    Type = iota
	Number       // a decimal number with a point
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
	return newCSVWriter(to, columns)
}

// csvWriter writes RFC 4180 in UTF-8 with a byte order mark, without which Excel takes Chinese for something else.
type csvWriter struct {
	buffer  *bufio.Writer
	out     *csv.Writer
	columns []Column
	cells   []string
}

func newCSVWriter(to io.Writer, columns []Column) (*csvWriter, error) {
	w := &csvWriter{buffer: bufio.NewWriterSize(to, bufferSize), columns: columns, cells: make([]string, len(columns))}
	if _, err := w.buffer.WriteString("\ufeff"); err != nil {
		return nil, err
	}
	w.out = csv.NewWriter(w.buffer)
	w.out.UseCRLF = true
	for i, c := range columns {
		w.cells[i] = guard(c.Name)
	}
	return w, w.out.Write(w.cells)
}

func (w *csvWriter) Write(cells []string) error {
	for i, c := range cells {
		if w.columns[i].Type != Number || !numberForm.MatchString(c) {
			c = guard(lineEnds.Replace(c))
		}
		w.cells[i] = c
	}
	return w.out.Write(w.cells[:len(cells)])
}

func (w *csvWriter) Close() error {
	w.out.Flush()
	return errors.Join(w.out.Error(), w.buffer.Flush())
}

// lineEnds makes every line end within a cell the one that csv.Writer turns into CRLF: it would drop a lone CR.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n") //nolint:gochecknoglobals // a constant

var numberForm = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

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
