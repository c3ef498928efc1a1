package sheet

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

// xlsxReader reads the first sheet of a workbook. Numbers come as they are kept, so a date is a count of days.
type xlsxReader struct {
	book *excelize.File
	kept *keptCells
	rows *excelize.Rows
	row  int64
}

func openXLSX(in io.Reader) (*xlsxReader, error) {
	b, err := io.ReadAll(io.LimitReader(in, MaxXLSX+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the workbook: %w", err)
	case len(b) > MaxXLSX:
		return nil, ErrTooLarge
	}
	parts, err := checkParts(b)
	if err != nil {
		return nil, err
	}
	book, err := excelize.OpenReader(bytes.NewReader(b), excelize.Options{
		RawCellValue: true, UnzipSizeLimit: maxUnpack, UnzipXMLSizeLimit: maxInPlace,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoXLSX, err)
	}
	x := &xlsxReader{book: book, kept: openKept(parts)}
	sheets := book.GetSheetList()
	if len(sheets) == 0 {
		return nil, errors.Join(ErrNoXLSX, x.kept.close(), book.Close())
	}
	if x.rows, err = book.Rows(sheets[0]); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrNoXLSX, err), x.kept.close(), book.Close())
	}
	return x, nil
}

// checkParts refuses a file that would fill memory or disk when unpacked. That a part is no longer than it says is
// seen to by archive/zip.
func checkParts(b []byte) (*zip.Reader, error) {
	parts, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoXLSX, err)
	}
	var all, other uint64
	for _, p := range parts.File {
		all += p.UncompressedSize64
		name := strings.ToLower(p.Name)
		if !strings.HasPrefix(name, "xl/worksheets/sheet") && name != "xl/sharedstrings.xml" {
			other += p.UncompressedSize64
		}
		if all > maxUnpack || other > maxOther {
			return nil, ErrTooLarge
		}
	}
	return parts, nil
}

func (x *xlsxReader) next() (Row, error) {
	for x.rows.Next() {
		x.row++
		cells, err := x.rows.Columns()
		switch {
		case err != nil:
			return Row{}, fmt.Errorf("row %d: %w: %w", x.row, ErrNoXLSX, err)
		case len(cells) > maxColumns:
			return Row{}, fmt.Errorf("row %d: %w", x.row, ErrTooWide)
		case empty(cells):
			continue
		}
		row := Row{Number: x.row, Cells: cells, Kept: x.kept.of(x.row)}
		for i, c := range cells {
			if row.IsNumber(i) {
				cells[i] = asTyped(c)
			}
		}
		return row, nil
	}
	if err := x.rows.Error(); err != nil {
		return Row{}, fmt.Errorf("after row %d: %w: %w", x.row, ErrNoXLSX, err)
	}
	return Row{}, io.EOF
}

func (x *xlsxReader) close() error {
	return errors.Join(x.rows.Close(), x.kept.close(), x.book.Close())
}

// binaryForm is a number in the form that Excel keeps but never shows: with 16 or 17 digits, or an exponent of 10.
var binaryForm = regexp.MustCompile(`^-?([0-9]+\.[0-9]+|[0-9](\.[0-9]+)?E[+-][0-9]{1,3})$`)

// asTyped gives a number as its author sees it: Excel counts with 15 digits, and keeps 1.1 as 1.1000000000000001.
func asTyped(s string) string {
	digits := len(strings.TrimLeft(strings.NewReplacer("-", "", ".", "").Replace(s), "0"))
	if !binaryForm.MatchString(s) || !strings.Contains(s, "E") && digits != 16 && digits != 17 {
		return s
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	f, err = strconv.ParseFloat(strconv.FormatFloat(f, 'g', 15, 64), 64)
	if err != nil {
		return s
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
