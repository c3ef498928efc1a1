package pdf_test

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/paper/pdf"
)

func write(t *testing.T) []byte {
	t.Helper()
	d, err := pdf.New()
	if err != nil {
		t.Fatal(err)
	}
	d.Title, d.Language, d.Created = "Order 订单 (1)", "zh-CN", time.Date(2026, 3, 15, 9, 0, 0, 0, time.UTC)
	p := d.AddPage()
	p.Text(50, 50, 12, false, "Plain Łódź Ωμέγα Привет € é ﬁ")
	p.Text(50, 80, 12, true, "Bold 北京示例有限公司 𠮷野\twith (brackets) \\")
	p.Fill(50, 100, 100, 20, 0.9)
	p.Line(50, 120, 500, 120, 0.5)
	d.AddPage().Text(50, 50, 9, false, "第二页")
	var b bytes.Buffer
	n, err := d.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatal(n, err)
	}
	return b.Bytes()
}

func TestSameCallsGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	if !bytes.Equal(write(t), write(t)) {
		t.Error("two files of the same calls differ")
	}
}

// TestObjectsAreWhereTheTableSays reads the file from its end, as a viewer does.
func TestObjectsAreWhereTheTableSays(t *testing.T) {
	t.Parallel()
	file := write(t)
	start := regexp.MustCompile(`startxref\n(\d+)\n%%EOF\n$`).FindSubmatch(file)
	if start == nil {
		t.Fatal("the file does not end as it should")
	}
	at, err := strconv.Atoi(string(start[1]))
	if err != nil || !bytes.HasPrefix(file[at:], []byte("xref\n0 ")) {
		t.Fatalf("there is no table at %d", at)
	}
	entries := regexp.MustCompile(`(\d{10}) 00000 n \n`).FindAllSubmatch(file[at:], -1)
	for i, entry := range entries {
		from, err := strconv.Atoi(string(entry[1]))
		if want := fmt.Sprintf("%d 0 obj\n", i+1); err != nil || !bytes.HasPrefix(file[from:], []byte(want)) {
			t.Errorf("object %d is not at %d", i+1, from)
		}
	}
	if want := fmt.Sprintf("/Size %d ", len(entries)+1); !bytes.Contains(file[at:], []byte(want)) {
		t.Errorf("the trailer does not say %s", want)
	}
}

// TestTextIsWhatWasWritten reads it back: Chinese as UTF-16, the rest through the tables that say which glyph is which character.
func TestTextIsWhatWasWritten(t *testing.T) {
	t.Parallel()
	streams := inflate(t, write(t))
	characters := map[string]map[string]string{}
	var contents []string
	for _, s := range streams {
		switch {
		case strings.Contains(s, "beginbfchar"):
			name := []string{"GoRegular", "GoBold"}[len(characters)]
			characters[name] = map[string]string{}
			for _, m := range regexp.MustCompile(`<(\w{4})> <(\w+)>\n`).FindAllStringSubmatch(s, -1) {
				characters[name][m[1]] = decode(t, m[2])
			}
		case strings.Contains(s, " Tj"):
			contents = append(contents, s)
		}
	}
	var got []string
	for _, s := range contents {
		for _, line := range regexp.MustCompile(`BT .* ET`).FindAllString(s, -1) {
			var text string
			for _, m := range regexp.MustCompile(`/(\w+) [\d.]+ Tf <(\w+)> Tj`).FindAllStringSubmatch(line, -1) {
				if m[1] == "Song" {
					text += decode(t, m[2])
					continue
				}
				for i := 0; i < len(m[2]); i += 4 {
					text += characters[m[1]][m[2][i:i+4]]
				}
			}
			got = append(got, text)
		}
	}
	want := []string{"Plain Łódź Ωμέγα Привет € é ﬁ", `Bold 北京示例有限公司 𠮷野 with (brackets) \`, "第二页"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	d, err := pdf.New()
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Measure("北京", 10, false); got != 20 {
		t.Errorf("two Chinese characters are %v wide", got)
	}
	if a, b := d.Measure("iii", 10, false), d.Measure("WWW", 10, false); a <= 0 || a >= b {
		t.Errorf("iii is %v wide and WWW %v", a, b)
	}
	if a, b := d.Measure("Tea 👍🏽\u200d❤\ufe0f", 10, false), d.Measure("Tea ❤", 10, false); a != b {
		t.Errorf("emoji, which no font has, take room: %v, not %v", a, b)
	}
	if a, b := d.Measure("a\nb", 10, true), d.Measure("a b", 10, true); a != b {
		t.Errorf("an end of line is %v wide, a space %v", a, b)
	}
}

func inflate(t *testing.T, file []byte) (streams []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?s)/Length (\d+) /Filter /FlateDecode.*?stream\n`).FindAllSubmatchIndex(file, -1) {
		n, err := strconv.Atoi(string(file[m[2]:m[3]]))
		if err != nil {
			t.Fatal(err)
		}
		z, err := zlib.NewReader(bytes.NewReader(file[m[1] : m[1]+n]))
		if err != nil {
			t.Fatal(err)
		}
		s, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, string(s))
	}
	return streams
}

func decode(t *testing.T, digits string) string {
	t.Helper()
	var units []uint16
	for i := 0; i < len(digits); i += 4 {
		n, err := strconv.ParseUint(digits[i:i+4], 16, 16)
		if err != nil {
			t.Fatal(err)
		}
		units = append(units, uint16(n))
	}
	return string(utf16.Decode(units))
}
