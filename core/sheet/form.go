package sheet

import (
	"errors"
	"slices"

	"crmhub/core/schema"
)

// Format is how a file keeps a table.
type Format string

// The formats.
const (
	CSV  Format = "csv"
	XLSX Format = "xlsx"
)

// The encodings a CSV file may have. GB18030 is read where people say GBK or GB2312: it contains both.
const (
	UTF8        = "utf-8"
	UTF16LE     = "utf-16le"
	UTF16BE     = "utf-16be"
	GB18030     = "gb18030"
	Windows1252 = "windows-1252"
)

// Blanks is the delimiter of a table in columns: one or more blanks lie between cells, and cells have none.
const Blanks = " "

// Encodings are all encodings of CSV files.
func Encodings() []string { return []string{UTF8, UTF16LE, UTF16BE, GB18030, Windows1252} }

// Delimiters are all delimiters of CSV files.
func Delimiters() []string { return []string{",", ";", "\t", "|", Blanks} }

// The decimal marks of CSV files, and of texts in workbooks. The other sign may stand between thousands.
const (
	Point = "point"
	Comma = "comma"
)

// DecimalMarks are all decimal marks.
func DecimalMarks() []string { return []string{Point, Comma} }

// Form is how the bytes of a file are a table.
type Form struct {
	Format    Format `json:"format" enum:"csv,xlsx"`
	Encoding  string `json:"encoding,omitempty" doc:"Of a CSV file; sensed from all of its bytes." enum:"utf-8,utf-16le,utf-16be,gb18030,windows-1252"`
	Delimiter string `json:"delimiter,omitempty" doc:"Of a CSV file: , ; | a tab, or a blank for columns with blanks between them."`
	Decimal   string `json:"decimal_mark,omitempty" doc:"Of the numbers in a CSV file, and of those that a workbook keeps as texts; sensed where they tell it. Absent: each number has to tell by itself." enum:"point,comma"`
	Header    bool   `json:"header" doc:"The first row names the columns."`
}

// Validate returns what is wrong with a form that somebody chose.
func (f Form) Validate() schema.Violations {
	var vs schema.Violations
	text := f.Format != XLSX
	if text && !slices.Contains(Encodings(), f.Encoding) {
		vs = append(vs, schema.Violation{Pointer: "/encoding", Rule: "enum", Message: "must be utf-8, utf-16le, utf-16be, gb18030 or windows-1252"})
	}
	if text && !slices.Contains(Delimiters(), f.Delimiter) {
		vs = append(vs, schema.Violation{Pointer: "/delimiter", Rule: "enum", Message: "must be a comma, semicolon, tab, bar or blank"})
	}
	if f.Decimal != "" && !slices.Contains(DecimalMarks(), f.Decimal) {
		vs = append(vs, schema.Violation{Pointer: "/decimal_mark", Rule: "enum", Message: "must be point or comma"})
	}
	return vs
}

// The bounds of what is read. They keep a broken or hostile file from filling the memory.
const (
	MaxRecord  = 1 << 20   // bytes of a CSV record
	MaxXLSX    = 64 << 20  // bytes of an XLSX file, which is held whole while it is read
	maxUnpack  = 2 << 30   // bytes of all its parts, unpacked; sheets and shared texts go through temporary files
	maxOther   = 32 << 20  // bytes of those parts that are held in memory, unpacked
	maxInPlace = 16 << 20  // bytes up to which a sheet is unpacked in memory
	maxColumns = 1_000     // cells of a row
	headSize   = 256 << 10 // bytes that delimiter, header and samples are sensed from
)

// The faults of whole files. What is read before them stays right.
var (
	ErrTooLong   = errors.New("a row is longer than 1 MiB: a quotation mark is probably not closed")
	ErrOpenQuote = errors.New("a quotation mark is not closed: the rest of the file is in one cell")
	ErrTooWide   = errors.New("a row has more than 1000 cells")
	ErrTooLarge  = errors.New("the XLSX file is too large: save it as CSV")
	ErrNoXLSX    = errors.New("the file is no readable XLSX workbook")
)
