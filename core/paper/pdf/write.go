package pdf

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
)

// file is what WriteTo puts together: objects by number, from 1 on.
type file struct {
	objects []string
}

// add adds an object and returns how others refer to it.
func (f *file) add(object string) string {
	f.objects = append(f.objects, object)
	return fmt.Sprintf("%d 0 R", len(f.objects))
}

// stream adds a compressed stream.
func (f *file) stream(data []byte, entries string) (string, error) {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		return "", fmt.Errorf("compress: %w", err)
	}
	if err := z.Close(); err != nil {
		return "", fmt.Errorf("compress: %w", err)
	}
	return f.add(fmt.Sprintf("<< /Length %d /Filter /FlateDecode%s >>\nstream\n%s\nendstream", b.Len(), entries, b.String())), nil
}

// WriteTo writes the file.
func (d *Document) WriteTo(w io.Writer) (int64, error) {
	var f file
	// The first two objects name each other's followers, so they are filled in at the end.
	f.add("")
	f.add("")
	fonts := []string{"/" + song + " " + f.song()}
	for _, face := range []*face{d.regular, d.bold} {
		ref, err := f.face(face)
		if err != nil {
			return 0, err
		}
		fonts = append(fonts, "/"+face.name+" "+ref)
	}
	var kids []string
	for _, p := range d.pages {
		content, err := f.stream([]byte(p.content.String()), "")
		if err != nil {
			return 0, err
		}
		kids = append(kids, f.add("<< /Type /Page /Parent 2 0 R /Contents "+content+" >>"))
	}
	info := f.add(fmt.Sprintf("<< /Title %s /Producer (crmhub) /CreationDate (D:%sZ) >>", textString(d.Title), d.Created.UTC().Format("20060102150405")))
	f.objects[0] = "<< /Type /Catalog /Pages 2 0 R /Lang (" + d.Language + ") /ViewerPreferences << /DisplayDocTitle true >> >>"
	f.objects[1] = fmt.Sprintf("<< /Type /Pages /Kids [%s] /Count %d /MediaBox [0 0 %.2f %.2f] /Resources << /Font << %s >> >> >>",
		strings.Join(kids, " "), len(kids), Width, Height, strings.Join(fonts, " "))
	return f.writeTo(w, info)
}

// writeTo writes the objects, where each begins, and where that is written.
func (f *file) writeTo(w io.Writer, info string) (int64, error) {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	var places strings.Builder
	for i, object := range f.objects {
		fmt.Fprintf(&places, "%010d 00000 n \n", b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n%s", len(f.objects)+1, places.String())
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R /Info %s >>\nstartxref\n%d\n%%%%EOF\n", len(f.objects)+1, info, table)
	return b.WriteTo(w)
}

// song adds the Chinese font, which the viewer brings: its name, its characters, and that each is a square.
func (f *file) song() string {
	descriptor := f.add("<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>")
	font := f.add("<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 4 >>" +
		" /FontDescriptor " + descriptor + fmt.Sprintf(" /DW %d >>", wide))
	return f.add("<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light-UniGB-UTF16-H /Encoding /UniGB-UTF16-H /DescendantFonts [" + font + "] >>")
}

// face adds a font with the glyphs that occur, their widths and their characters.
func (f *file) face(face *face) (string, error) {
	ttf, err := face.subset()
	if err != nil {
		return "", err
	}
	m, err := face.metrics()
	if err != nil {
		return "", err
	}
	program, err := f.stream(ttf, fmt.Sprintf(" /Length1 %d", len(ttf)))
	if err != nil {
		return "", err
	}
	characters, err := f.stream([]byte(face.characters()), "")
	if err != nil {
		return "", err
	}
	var widths strings.Builder
	for _, g := range face.glyphs() {
		fmt.Fprintf(&widths, "%d [%.0f] ", g, face.advance(g))
	}
	name := "CRMHUB+" + face.name // a font that is not whole has a name before its own
	descriptor := f.add(fmt.Sprintf("<< /Type /FontDescriptor /FontName /%s /Flags 4 /FontBBox [-200 -300 1400 1100] /ItalicAngle 0 /Ascent %d /Descent %d /CapHeight %d /StemV 80 /FontFile2 %s >>",
		name, m.ascent, m.descent, m.capHeight, program))
	font := f.add("<< /Type /Font /Subtype /CIDFontType2 /BaseFont /" + name + " /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >>" +
		" /CIDToGIDMap /Identity /FontDescriptor " + descriptor + " /W [ " + widths.String() + "] >>")
	return f.add("<< /Type /Font /Subtype /Type0 /BaseFont /" + name + " /Encoding /Identity-H /DescendantFonts [" + font + "] /ToUnicode " + characters + " >>"), nil
}

// characters is the CMap that says which character each glyph is, for those who search and copy.
func (f *face) characters() string {
	var b strings.Builder
	b.WriteString("/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n" +
		"/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n")
	const most = 100 // in a block
	glyphs := f.glyphs()
	for len(glyphs) > 0 {
		block := glyphs[:min(most, len(glyphs))]
		glyphs = glyphs[len(block):]
		fmt.Fprintf(&b, "%d beginbfchar\n", len(block))
		for _, g := range block {
			fmt.Fprintf(&b, "<%04X> <%s>\n", uint16(g), utf16Hex(string(f.used[g])))
		}
		b.WriteString("endbfchar\n")
	}
	b.WriteString("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n")
	return b.String()
}

func utf16Hex(s string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&b, "%04X", unit)
	}
	return b.String()
}

// textString is a text outside of pages, as UTF-16 with a byte order mark.
func textString(s string) string { return "<FEFF" + utf16Hex(s) + ">" }
