package sheet

import (
	"errors"
	"io"
	"strings"
)

// Row is one row of a table.
type Row struct {
	Number int64    // the line of a CSV file that it begins in, the row of an XLSX sheet; from 1
	Cells  []string // as many as there are: rows may be ragged
	Kept   []bool   // of a workbook, which cells it keeps as numbers, as far as there are any; a text that looks like one is not
}

// IsNumber reports whether a workbook keeps a cell as a number, which then has a point, whatever its readers see.
func (r Row) IsNumber(cell int) bool { return cell < len(r.Kept) && r.Kept[cell] }

// Reader gives the rows of a table one by one. Close it.
type Reader struct {
	from   source
	names  []string
	ahead  []Row // read to find the names
	broken error // what stands in the way behind them
}

// source is a format's way to rows.
type source interface {
	next() (Row, error) // io.EOF after the last
	close() error
}

// Open begins to read a table. An XLSX file gives its first sheet. Errors: [ErrNoXLSX], [ErrTooLarge], those of reading.
func Open(in io.Reader, f Form) (*Reader, error) {
	r := &Reader{}
	if f.Format == XLSX {
		book, err := openXLSX(in)
		if err != nil {
			return nil, err
		}
		r.from = book
	} else {
		r.from = openText(decoded(in, f.Encoding), f.Delimiter)
	}
	if err := r.begin(f.Header); err != nil {
		_ = r.from.close()
		return nil, err
	}
	return r, nil
}

// mostTitles is how many rows may stand above the names of the columns.
const mostTitles = 4

// begin finds the names of the columns. Above them there may be titles, as people and reports write them: rows of one cell where the names
// have more. Where every row has one, the first is the name of the only column.
func (r *Reader) begin(header bool) error {
	for len(r.ahead) <= mostTitles {
		row, err := r.from.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && len(r.ahead) == 0 {
			return err
		}
		if err != nil { // told when its turn comes
			r.broken = err
			break
		}
		r.ahead = append(r.ahead, row)
		if !header || filled(row.Cells) > 1 {
			break
		}
	}
	if len(r.ahead) == 0 {
		return nil
	}
	if !header {
		r.names = make([]string, len(r.ahead[0].Cells))
		return nil
	}
	at := len(r.ahead) - 1
	if filled(r.ahead[at].Cells) < 2 {
		at = 0
	}
	for _, n := range r.ahead[at].Cells {
		r.names = append(r.names, strings.TrimSpace(n))
	}
	r.ahead = r.ahead[at+1:]
	return nil
}

// filled is how many cells say something.
func filled(cells []string) (n int) {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			n++
		}
	}
	return n
}

// Names are the names of the columns, "" where there are none. Two columns may have the same.
func (r *Reader) Names() []string { return r.names }

// Next gives the next row that is not empty, io.EOF after the last. The row is the caller's.
// Errors of a file that cannot be read on: [ErrTooLong], [ErrOpenQuote], [ErrTooWide], those of reading.
func (r *Reader) Next() (Row, error) {
	if len(r.ahead) > 0 {
		row := r.ahead[0]
		r.ahead = r.ahead[1:]
		return row, nil
	}
	if r.broken != nil {
		return Row{}, r.broken
	}
	return r.from.next()
}

// Close releases what reading needed.
func (r *Reader) Close() error { return r.from.close() }

func empty(cells []string) bool { return filled(cells) == 0 }
