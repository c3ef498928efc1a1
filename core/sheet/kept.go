package sheet

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"
)

// keptCells tells which cells of a sheet are kept as numbers, by a second walk through its XML beside that of excelize, which
// gives all cells as texts. What it cannot tell is text: that is never taken for a number that it may not be.
type keptCells struct {
	part io.Closer
	in   *bufio.Reader
	row  int64 // that has begun, and whose cells come next
	end  bool
}

// openKept begins with the first sheet of a workbook.
func openKept(parts *zip.Reader) *keptCells {
	part := firstSheet(parts)
	if part == nil {
		return &keptCells{end: true}
	}
	in, err := part.Open()
	if err != nil {
		return &keptCells{end: true}
	}
	return &keptCells{part: in, in: bufio.NewReaderSize(in, bufferSize)}
}

func (k *keptCells) close() error {
	if k.part == nil {
		return nil
	}
	return k.part.Close()
}

// of says which cells of a row are numbers; rows are asked for in their order.
func (k *keptCells) of(row int64) (kept []bool) {
	column := 0
	for !k.end && k.row <= row {
		name, tag := k.tag()
		switch name {
		case "row":
			k.row = orNext(attribute(tag, "r"), k.row)
			column = 0
		case "c":
			column = columnOf(attribute(tag, "r"), column)
			if kind := attribute(tag, "t"); k.row == row && column <= maxColumns && (kind == "" || kind == "n") {
				for len(kept) < column {
					kept = append(kept, false)
				}
				kept[column-1] = true
			}
		case "/row":
			if k.row == row {
				return kept
			}
		case "/sheetData", "":
			k.end = true
		}
	}
	return kept
}

// tag reads the next tag: its name without a prefix, and all of it. The name is "" at the end.
func (k *keptCells) tag() (name string, tag []byte) {
	for {
		if _, err := k.in.ReadSlice('<'); err == nil {
			break
		} else if !errors.Is(err, bufio.ErrBufferFull) {
			return "", nil
		}
	}
	tag, err := k.in.ReadSlice('>')
	if err != nil {
		return "", nil
	}
	called, _, _ := bytes.Cut(bytes.TrimRight(tag, "/>"), []byte(" "))
	slash := bytes.HasPrefix(called, []byte("/"))
	if _, local, ok := bytes.Cut(called, []byte(":")); ok {
		called = local
		if slash {
			return "/" + string(called), tag
		}
	}
	return string(called), tag
}

// attribute is the value of an attribute of a tag, "" if it has none.
func attribute(tag []byte, name string) string {
	for _, quote := range []string{`"`, `'`} {
		if _, rest, ok := bytes.Cut(tag, []byte(" "+name+"="+quote)); ok {
			value, _, _ := bytes.Cut(rest, []byte(quote))
			return string(value)
		}
	}
	return ""
}

func orNext(number string, before int64) int64 {
	if n, err := strconv.ParseInt(number, 10, 64); err == nil && n > 0 {
		return n
	}
	return before + 1
}

// columnOf is the column that a cell's name begins with, from 1: AB12 is in 28. A cell without a name follows the one before.
func columnOf(cell string, before int) int {
	n := 0
	for _, r := range cell {
		if r < 'A' || r > 'Z' || n > maxColumns {
			break
		}
		n = n*26 + int(r-'A') + 1
	}
	if n == 0 {
		return before + 1
	}
	return n
}

// firstSheet is the part that holds the first sheet, nil if the workbook does not say.
func firstSheet(parts *zip.Reader) *zip.File {
	book := related(parts, "", func(_, kind string) bool { return strings.HasSuffix(kind, "/officeDocument") })
	var sheets struct {
		Sheets []struct {
			ID string `xml:"id,attr"`
		} `xml:"sheets>sheet"`
	}
	if !decodePart(parts, book, &sheets) || len(sheets.Sheets) == 0 {
		return nil
	}
	return partNamed(parts, related(parts, book, func(id, _ string) bool { return id == sheets.Sheets[0].ID }))
}

// related is the first part that another one, "" for the whole file, refers to in that way.
func related(parts *zip.Reader, from string, is func(id, kind string) bool) string {
	var relations struct {
		All []struct {
			ID     string `xml:"Id,attr"`
			Type   string `xml:"Type,attr"`
			Target string `xml:"Target,attr"`
		} `xml:"Relationship"`
	}
	folder, name := path.Split(from)
	if !decodePart(parts, path.Join(folder, "_rels", name+".rels"), &relations) {
		return ""
	}
	for _, r := range relations.All {
		if is(r.ID, r.Type) {
			if target, ok := strings.CutPrefix(r.Target, "/"); ok {
				return target
			}
			return path.Join(folder, r.Target)
		}
	}
	return ""
}

func decodePart(parts *zip.Reader, name string, v any) bool {
	part := partNamed(parts, name)
	if part == nil {
		return false
	}
	in, err := part.Open()
	if err != nil {
		return false
	}
	defer in.Close() //nolint:errcheck // it was read
	return xml.NewDecoder(in).Decode(v) == nil
}

func partNamed(parts *zip.Reader, name string) *zip.File {
	for _, p := range parts.File {
		if name != "" && strings.EqualFold(strings.ReplaceAll(p.Name, `\`, "/"), name) {
			return p
		}
	}
	return nil
}
