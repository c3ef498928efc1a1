package sheet_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"crmhub/core/sheet"
)

func senseAndRead(t *testing.T, content string) (sheet.Form, []string, [][]string, error) {
	t.Helper()
	var s sheet.Sensor
	for _, b := range []byte(content) { // as badly cut as can be
		_, _ = s.Write([]byte{b})
	}
	f := s.Form()
	names, rows, err := readAll(strings.NewReader(content), f)
	return f, names, rows, err
}

func readAll(in io.Reader, f sheet.Form) (names []string, rows [][]string, err error) {
	r, err := sheet.Open(in, f)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Names(), rows, nil
		}
		if err != nil {
			return r.Names(), rows, err
		}
		rows = append(rows, row.Cells)
	}
}

func encode(t *testing.T, s string, name string) string {
	t.Helper()
	var err error
	switch name {
	case sheet.GB18030:
		s, err = simplifiedchinese.GBK.NewEncoder().String(s)
	case sheet.Windows1252:
		s, err = charmap.Windows1252.NewEncoder().String(s)
	case sheet.UTF16LE:
		s, err = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDirtyFilesAreSensedAndRead(t *testing.T) {
	t.Parallel()
	csv := func(encoding, delimiter string) sheet.Form {
		return sheet.Form{Format: sheet.CSV, Encoding: encoding, Delimiter: delimiter, Header: true}
	}
	marked := func(delimiter, mark string) sheet.Form {
		f := csv("utf-8", delimiter)
		f.Decimal = mark
		return f
	}
	for name, tc := range map[string]struct {
		content string
		form    sheet.Form
		names   []string
		rows    [][]string
	}{
		"empty file":          {"", csv("utf-8", ","), nil, nil},
		"only a header":       {"a,b", csv("utf-8", ","), []string{"a", "b"}, nil},
		"one column":          {"name\nA\nB\n", csv("utf-8", ","), []string{"name"}, [][]string{{"A"}, {"B"}}},
		"byte order mark":     {"\ufeffcode,name\n1,甲\n", csv("utf-8", ","), []string{"code", "name"}, [][]string{{"1", "甲"}}},
		"GBK":                 {encode(t, "编码,名称\n1,北京某某公司\n2,上海\n", sheet.GB18030), csv("gb18030", ","), []string{"编码", "名称"}, [][]string{{"1", "北京某某公司"}, {"2", "上海"}}},
		"western":             {encode(t, "Straße;Ort\nMüllerstraße;Köln\nCafé;Orléans\n", sheet.Windows1252), csv("windows-1252", ";"), []string{"Straße", "Ort"}, [][]string{{"Müllerstraße", "Köln"}, {"Café", "Orléans"}}},
		"UTF-16 with tabs":    {encode(t, "a\tb\n甲\t2\n", sheet.UTF16LE), csv("utf-16le", "\t"), []string{"a", "b"}, [][]string{{"甲", "2"}}},
		"semicolons":          {"a;b\n1,5;2\n", marked(";", sheet.Comma), []string{"a", "b"}, [][]string{{"1,5", "2"}}},
		"quotes and newline":  {"a,b\r\n\"x, \"\"y\"\"\",\"one\r\ntwo\"\r\nz\"z,5'\" wide\r\n", csv("utf-8", ","), []string{"a", "b"}, [][]string{{`x, "y"`, "one\ntwo"}, {`z"z`, `5'" wide`}}},
		"ragged and blank":    {"a,b,c\n1\n\n,,\n1,2,3,4\n", csv("utf-8", ","), []string{"a", "b", "c"}, [][]string{{"1"}, {"1", "2", "3", "4"}}},
		"NUL stays":           {"a,b\n1,x\x00y\n", csv("utf-8", ","), []string{"a", "b"}, [][]string{{"1", "x\x00y"}}},
		"one broken cell":     {"a,b\n甲乙丙丁,戊己庚辛\n1,x\xffy\n", csv("utf-8", ","), []string{"a", "b"}, [][]string{{"甲乙丙丁", "戊己庚辛"}, {"1", "x\xffy"}}},
		"same name twice":     {"a,a\n1,2\n", csv("utf-8", ","), []string{"a", "a"}, [][]string{{"1", "2"}}},
		"in columns":          {" id  date  units\n 1 19970101  1\n 2 19970112  12\n", csv("utf-8", " "), []string{"id", "date", "units"}, [][]string{{"1", "19970101", "1"}, {"2", "19970112", "12"}}},
		"carriage returns":    {"a;b\r1,5;\"x\ry\"\r\r2;z\r", marked(";", sheet.Comma), []string{"a", "b"}, [][]string{{"1,5", "x\ny"}, {"2", "z"}}},
		"sentences":           {"remark\nall is well\nso it is\n", csv("utf-8", ","), []string{"remark"}, [][]string{{"all is well"}, {"so it is"}}},
		"thousands only":      {"a\n1.234\n", csv("utf-8", ","), []string{"a"}, [][]string{{"1.234"}}},
		"thousands and cents": {"a;b\n1.234;x\n-€ 1.234,50;y\n", marked(";", sheet.Comma), []string{"a", "b"}, [][]string{{"1.234", "x"}, {"-€ 1.234,50", "y"}}},
		"millions":            {"a\n\"1,234,567\"\n", marked(",", sheet.Point), []string{"a"}, [][]string{{"1,234,567"}}},
		"both marks":          {"a;b\n1,5;1.5\n", csv("utf-8", ";"), []string{"a", "b"}, [][]string{{"1,5", "1.5"}}},
		"days and versions":   {"a;b\n2.1.2026;1.2.3\n", csv("utf-8", ";"), []string{"a", "b"}, [][]string{{"2.1.2026", "1.2.3"}}},
		"no header": {
			"C1,a@example.com\nC2,b@example.com\n",
			sheet.Form{Format: sheet.CSV, Encoding: "utf-8", Delimiter: ","},
			[]string{"", ""},
			[][]string{{"C1", "a@example.com"}, {"C2", "b@example.com"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			form, names, rows, err := senseAndRead(t, tc.content)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.form, form); d != "" {
				t.Error("form:", d)
			}
			if d := cmp.Diff(tc.names, names); d != "" {
				t.Error("names:", d)
			}
			if d := cmp.Diff(tc.rows, rows); d != "" {
				t.Error("rows:", d)
			}
		})
	}
}

func TestAQuoteThatIsNotClosedDoesNotFillTheMemory(t *testing.T) {
	t.Parallel()
	content := "a,b\n1,\"x\n" + strings.Repeat("filler,filler\n", 300_000)
	_, rows, err := readAll(strings.NewReader(content), sheet.Form{Format: sheet.CSV, Encoding: "utf-8", Delimiter: ",", Header: true})
	if !errors.Is(err, sheet.ErrTooLong) || len(rows) != 0 {
		t.Errorf("got %d rows and %v", len(rows), err)
	}
}

func TestAQuoteThatIsNotClosedEndsTheReading(t *testing.T) {
	t.Parallel()
	form := sheet.Form{Format: sheet.CSV, Encoding: "utf-8", Delimiter: ",", Header: true}
	for content, want := range map[string]int{"a,b\n1,2\n3,\"x\n4,5\n6,7\n": 1, "a,b\n1,2\n3,\"x": 1, "a,b\n1,2\n\"3": 1} {
		_, rows, err := readAll(strings.NewReader(content), form)
		if !errors.Is(err, sheet.ErrOpenQuote) || len(rows) != want {
			t.Errorf("%q: got %d rows and %v", content, len(rows), err)
		}
	}
	for content, want := range map[string]int{"a,b\n1,\"x\"": 1, "a,b\n1,5\" wide": 1, "a,b\n1,2\n\n": 1, "a,b\n1,\"x\ny\"\n": 1, "a,b": 0} {
		if _, rows, err := readAll(strings.NewReader(content), form); err != nil || len(rows) != want {
			t.Errorf("%q: got %d rows and %v", content, len(rows), err)
		}
	}
}

func TestWhatIsWrittenComesBackTheSame(t *testing.T) {
	t.Parallel()
	columns := []sheet.Column{
		{Name: "text"}, {Name: "number", Type: sheet.Number}, {Name: "day", Type: sheet.Date}, {Name: "at", Type: sheet.Instant}, {Name: "yes", Type: sheet.Boolean},
	}
	rows := [][]string{
		{`=HYPERLINK("x")`, "-12.5", "2026-01-02", "2026-01-02T03:04:05Z", "true"},
		{"+49 30", "1234567890123456.78", "", "", "false"},
		{"北京, \"某\"\n公司", "0.1", "1999-12-31", "", ""},
		{"@x", "=1+1", "no day", "", ""},
	}
	for format, want := range map[sheet.Format][][]string{
		sheet.CSV: rows,
		sheet.XLSX: { // days are counts, as a spreadsheet keeps them
			{`=HYPERLINK("x")`, "-12.5", "46024", "46024.1278356481", "1"},
			{"+49 30", "1234567890123456.78", "", "", "0"},
			{"北京, \"某\"\n公司", "0.1", "36525"},
			{"@x", "=1+1", "no day"},
		},
	} {
		var b bytes.Buffer
		w, err := sheet.NewWriter(&b, format, columns)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if format == sheet.CSV {
			for _, danger := range []string{"\n=", "\n+", "\n@", ",=1"} {
				if strings.Contains(b.String(), danger) {
					t.Errorf("the file has a formula behind %q:\n%s", danger, b.String())
				}
			}
		}
		var s sheet.Sensor
		_, _ = s.Write(b.Bytes())
		names, got, err := readAll(&b, s.Form())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"text", "number", "day", "at", "yes"}, names); d != "" {
			t.Errorf("%s: %s", format, d)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", format, d)
		}
	}
}

func TestTablesAreWrittenInTheEncodingOfWhoReadsThem(t *testing.T) {
	t.Parallel()
	columns := []sheet.Column{{Name: "Größe"}, {Name: "Betrag", Type: sheet.Number}}
	row := []string{"=5;\"m²\"", "-12,50"}
	for _, encoding := range sheet.Encodings() {
		for _, delimiter := range []string{",", ";", "\t", "|"} {
			var b bytes.Buffer
			w, err := sheet.NewCSVWriter(&b, encoding, delimiter, columns)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.Write(row), w.Close()); err != nil {
				t.Fatal(err)
			}
			names, rows, err := readAll(&b, sheet.Form{Format: sheet.CSV, Encoding: encoding, Delimiter: delimiter, Header: true})
			if d := cmp.Diff([][]string{{"Größe", "Betrag"}, row}, append([][]string{names}, rows...)); err != nil || d != "" {
				t.Errorf("%s %q: %v %s", encoding, delimiter, err, d)
			}
		}
	}
	w, err := sheet.NewCSVWriter(&bytes.Buffer{}, sheet.Windows1252, ";", columns)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write([]string{"客户", "1"}), w.Close()); !errors.Is(err, sheet.ErrUnwritable) {
		t.Error("a Chinese name in a western encoding:", err)
	}
	if _, err := sheet.NewCSVWriter(&bytes.Buffer{}, "", sheet.Blanks, columns); err == nil {
		t.Error("cells were to be written with blanks between them")
	}
}

func TestWorkbooksOpenInASpreadsheetAsMeant(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := sheet.NewWriter(&b, sheet.XLSX, []sheet.Column{{Name: "客户"}, {Name: "合计", Type: sheet.Number}, {Name: "日期", Type: sheet.Date}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write([]string{"=1+1", "12.50", "2026-01-02"}), w.Close()); err != nil {
		t.Fatal(err)
	}
	book, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	panes, err := book.GetPanes("Sheet1")
	if err != nil || !panes.Freeze || panes.YSplit != 1 {
		t.Errorf("the header is not frozen: %+v %v", panes, err)
	}
	for cell, want := range map[string]string{"A1": "客户", "A2": "=1+1", "B2": "12.5", "C2": "2026-01-02"} {
		got, err := book.GetCellValue("Sheet1", cell)
		if err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", cell, got, err, want)
		}
	}
	if formula, err := book.GetCellFormula("Sheet1", "A2"); err != nil || formula != "" {
		t.Errorf("A2 is the formula %q (%v)", formula, err)
	}
	if kind, err := book.GetCellType("Sheet1", "B2"); err != nil || kind == excelize.CellTypeInlineString || kind == excelize.CellTypeSharedString {
		t.Errorf("B2 is no number: %v %v", kind, err)
	}
}

func TestAZipBombIsRefused(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	part, err := z.Create("xl/media/image1.png")
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 64 {
		if _, err := part.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = sheet.Open(&b, sheet.Form{Format: sheet.XLSX, Header: true})
	if !errors.Is(err, sheet.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestNumbersComeAsTheirAuthorSeesThem(t *testing.T) {
	t.Parallel()
	book := excelize.NewFile()
	for cell, v := range map[string]any{"A1": "n", "A2": 1.1, "A3": 0.1 + 0.2, "A4": 13800138000, "A5": "91350100M000100Y43", "A6": 1e17, "A7": 1.5e-7} {
		if err := book.SetCellValue("Sheet1", cell, v); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := book.Write(&b); err != nil {
		t.Fatal(err)
	}
	_, rows, err := readAll(&b, sheet.Form{Format: sheet.XLSX, Header: true})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"1.1"}, {"0.3"}, {"13800138000"}, {"91350100M000100Y43"}, {"100000000000000000"}, {"0.00000015"}}
	if d := cmp.Diff(want, rows); d != "" {
		t.Error(d)
	}
}

// What a workbook keeps as a number is told from a text that looks like one, in whatever order and with whatever prefix its XML has it.
func TestTextsOfAWorkbookAreNoNumbers(t *testing.T) {
	t.Parallel()
	book := excelize.NewFile()
	for cell, v := range map[string]any{
		"A1": "n", "B1": "t", "A2": 1.155, "B2": "1.155", "B4": 2, "A5": true, "C5": "1.1000000000000001", "AB6": 7,
	} {
		if err := book.SetCellValue("Sheet1", cell, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := book.SetCellFormula("Sheet1", "A6", "1+1"); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := errors.Join(book.MoveSheet("Sheet1", "Sheet1"), book.Write(&b)); err != nil {
		t.Fatal(err)
	}
	r, err := sheet.Open(&b, sheet.Form{Format: sheet.XLSX, Header: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	got := map[string]bool{}
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, cell := range row.Cells {
			if cell != "" {
				name, _ := excelize.CoordinatesToCellName(i+1, int(row.Number))
				got[name+" "+cell] = row.IsNumber(i)
			}
		}
	}
	want := map[string]bool{"A2 1.155": true, "B2 1.155": false, "B4 2": true, "A5 1": false, "C5 1.1000000000000001": false, "AB6 7": true}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// FuzzText reads any bytes in any form: it never panics, never loops, and what it writes of them comes back the same.
func FuzzText(f *testing.F) {
	f.Add([]byte("a,b\n1,\"2\n\"\n"), byte(0), byte(0))
	f.Add([]byte("\xff\xfea\x00"), byte(1), byte(2))
	f.Add([]byte("\"0\r \"\n"), byte(1), byte(0))
	f.Add([]byte("''+\n"), byte(1), byte(0))
	f.Add([]byte("编码;\x81\x30\x81\x30\n'=1"), byte(3), byte(1))
	f.Fuzz(func(t *testing.T, b []byte, encoding, delimiter byte) {
		var s sheet.Sensor
		_, _ = s.Write(b)
		form := s.Form()
		if encoding > 0 {
			form = sheet.Form{
				Format: sheet.CSV, Encoding: sheet.Encodings()[int(encoding)%len(sheet.Encodings())],
				Delimiter: sheet.Delimiters()[int(delimiter)%len(sheet.Delimiters())], Header: encoding%2 == 0,
			}
		}
		if form.Format == sheet.XLSX {
			return
		}
		_, rows, err := readAll(bytes.NewReader(b), form)
		if err != nil || len(rows) == 0 {
			return
		}
		var out bytes.Buffer
		columns := make([]sheet.Column, len(rows[0]))
		w, err := sheet.NewWriter(&out, sheet.CSV, columns)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Write(rows[0]), w.Close()); err != nil {
			t.Fatal(err)
		}
		_, again, err := readAll(&out, sheet.Form{Format: sheet.CSV, Encoding: "utf-8", Delimiter: ",", Header: false})
		if err != nil {
			t.Fatal(err)
		}
		want := make([]string, len(rows[0]))
		for i, c := range rows[0] {
			want[i] = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(c)
		}
		if d := cmp.Diff(want, again[len(again)-1]); d != "" {
			t.Errorf("%q: %s", rows[0], d)
		}
	})
}

func TestABrokenWorkbookIsAFaultOfTheFile(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := sheet.NewWriter(&b, sheet.XLSX, []sheet.Column{{Name: "a"}, {Name: "b", Type: sheet.Number}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write([]string{"x", "1"}), w.Close()); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 4, 100, b.Len() / 2, b.Len() - 1} {
		_, _, err := readAll(bytes.NewReader(b.Bytes()[:size]), sheet.Form{Format: sheet.XLSX, Header: true})
		if !errors.Is(err, sheet.ErrNoXLSX) {
			t.Errorf("%d bytes of a workbook: %v", size, err)
		}
	}
}

// People and reports write what a table is about above it.
func TestTitlesAboveTheNamesAreNoNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file  string
		names []string
		first sheet.Row
	}{
		"a title":                    {"Contacts of the fair,,\n,,\nName,E-mail,\nAnn,ann@example.com,x\n", []string{"Name", "E-mail", ""}, sheet.Row{Number: 4, Cells: []string{"Ann", "ann@example.com", "x"}}},
		"a title, a day":             {"Contacts\nas of 28 November\nName,City\nAnn,Graz\n", []string{"Name", "City"}, sheet.Row{Number: 4, Cells: []string{"Ann", "Graz"}}},
		"none":                       {"Name,City\nAnn,\n", []string{"Name", "City"}, sheet.Row{Number: 2, Cells: []string{"Ann", ""}}},
		"one column":                 {"Name\nAnn\nBob\n", []string{"Name"}, sheet.Row{Number: 2, Cells: []string{"Ann"}}},
		"one column, and many names": {"Name\nA\nB\nC\nD\nE\nF,1\n", []string{"Name"}, sheet.Row{Number: 2, Cells: []string{"A"}}},
	} {
		r, err := sheet.Open(strings.NewReader(c.file), sheet.Form{Format: sheet.CSV, Encoding: sheet.UTF8, Delimiter: ",", Header: true})
		if err != nil {
			t.Fatal(err)
		}
		first, err := r.Next()
		if diff := cmp.Diff(c.names, r.Names()) + cmp.Diff(c.first, first); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}
