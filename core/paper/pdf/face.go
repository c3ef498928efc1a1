package pdf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// face is a font that is put into the file, and what of it occurs there.
type face struct {
	name   string
	ttf    []byte
	parsed *sfnt.Font
	buffer sfnt.Buffer
	used   map[sfnt.GlyphIndex]rune
}

func newFace(name string, ttf []byte) (*face, error) {
	parsed, err := sfnt.Parse(ttf)
	if err != nil {
		return nil, fmt.Errorf("read the font %s: %w", name, err)
	}
	return &face{name: name, ttf: ttf, parsed: parsed, used: map[sfnt.GlyphIndex]rune{}}, nil
}

// glyph returns the glyph of a character, if the font has one.
func (f *face) glyph(r rune) (sfnt.GlyphIndex, bool) {
	g, err := f.parsed.GlyphIndex(&f.buffer, r)
	return g, err == nil && g != 0
}

// advance returns how wide a glyph is, in thousandths of the size.
func (f *face) advance(g sfnt.GlyphIndex) float64 {
	a, err := f.parsed.GlyphAdvance(&f.buffer, g, fixed.I(1000), font.HintingNone)
	if err != nil {
		return 0
	}
	return float64(a) / 64
}

// glyphs are those that occur, in order.
func (f *face) glyphs() []sfnt.GlyphIndex { return slices.Sorted(maps.Keys(f.used)) }

// metrics are what a font descriptor says, in thousandths of the size.
type metrics struct{ ascent, descent, capHeight int }

func (f *face) metrics() (metrics, error) {
	m, err := f.parsed.Metrics(&f.buffer, fixed.I(1000), font.HintingNone)
	if err != nil {
		return metrics{}, fmt.Errorf("measure the font %s: %w", f.name, err)
	}
	return metrics{m.Ascent.Round(), -m.Descent.Round(), m.CapHeight.Round()}, nil
}

// table is a part of a TrueType file.
type table struct {
	tag  string
	data []byte
}

// The tables that a viewer needs to draw glyphs; the rest is for those who set text.
var drawn = []string{"cvt ", "fpgm", "glyf", "head", "hhea", "hmtx", "loca", "maxp", "prep"} //nolint:gochecknoglobals // a constant

var errFont = errors.New("is no TrueType font of the expected form")

// subset returns the font with the outlines of the glyphs that occur alone: the numbers of glyphs stay, those that do
// not occur are empty.
func (f *face) subset() ([]byte, error) {
	tables, err := readTables(f.ttf)
	if err != nil {
		return nil, fmt.Errorf("font %s: %w", f.name, err)
	}
	if len(tables["head"]) < 54 || len(tables["maxp"]) < 6 {
		return nil, fmt.Errorf("font %s: %w", f.name, errFont)
	}
	offsets := offsetsOf(tables["loca"], binary.BigEndian.Uint16(tables["head"][50:]) == 1)
	keep := map[int]bool{0: true}
	for _, g := range f.glyphs() {
		keepWithParts(keep, tables["glyf"], offsets, int(g))
	}
	var glyf, loca []byte
	for g := range len(offsets) - 1 {
		loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf))) //nolint:gosec // a font is below 4 GiB
		if keep[g] {
			glyf = append(glyf, outline(tables["glyf"], offsets, g)...)
			for len(glyf)%4 != 0 {
				glyf = append(glyf, 0)
			}
		}
	}
	tables["glyf"], tables["loca"] = glyf, binary.BigEndian.AppendUint32(loca, uint32(len(glyf))) //nolint:gosec // as above
	tables["head"] = slices.Clone(tables["head"])
	binary.BigEndian.PutUint16(tables["head"][50:], 1) // offsets are of four bytes now
	var kept []table
	for _, tag := range drawn {
		if data, ok := tables[tag]; ok {
			kept = append(kept, table{tag, data})
		}
	}
	return writeTables(kept), nil
}

// readTables reads the directory of a TrueType file.
func readTables(ttf []byte) (map[string][]byte, error) {
	if len(ttf) < 12 {
		return nil, errFont
	}
	tables := map[string][]byte{}
	for i := range int(binary.BigEndian.Uint16(ttf[4:])) {
		entry := 12 + 16*i
		if entry+16 > len(ttf) {
			return nil, errFont
		}
		from, size := int(binary.BigEndian.Uint32(ttf[entry+8:])), int(binary.BigEndian.Uint32(ttf[entry+12:]))
		if from > len(ttf) || size > len(ttf)-from {
			return nil, errFont
		}
		tables[string(ttf[entry:entry+4])] = ttf[from : from+size]
	}
	return tables, nil
}

// offsetsOf reads where each outline begins, and where the last one ends.
func offsetsOf(loca []byte, long bool) []int {
	var offsets []int
	if long {
		for i := 0; i+4 <= len(loca); i += 4 {
			offsets = append(offsets, int(binary.BigEndian.Uint32(loca[i:])))
		}
		return offsets
	}
	for i := 0; i+2 <= len(loca); i += 2 {
		offsets = append(offsets, 2*int(binary.BigEndian.Uint16(loca[i:])))
	}
	return offsets
}

// outline returns the data of a glyph; nil if it has none.
func outline(glyf []byte, offsets []int, g int) []byte {
	if g+1 >= len(offsets) || offsets[g] >= offsets[g+1] || offsets[g+1] > len(glyf) {
		return nil
	}
	return glyf[offsets[g]:offsets[g+1]]
}

// keepWithParts notes a glyph and those that it is composed of: é is an e and an accent.
func keepWithParts(keep map[int]bool, glyf []byte, offsets []int, g int) {
	if keep[g] {
		return
	}
	keep[g] = true
	const (
		wordArguments = 1 << iota // of the flags of a part
		_
		_
		scaled
		_
		more
		scaledTwice
		matrix
	)
	data := outline(glyf, offsets, g)
	if len(data) < 10 || int16(binary.BigEndian.Uint16(data)) >= 0 { //nolint:gosec // it is a signed number
		return
	}
	for at := 10; at+4 <= len(data); {
		flags := binary.BigEndian.Uint16(data[at:])
		keepWithParts(keep, glyf, offsets, int(binary.BigEndian.Uint16(data[at+2:])))
		at += 6
		if flags&wordArguments != 0 {
			at += 2
		}
		switch {
		case flags&scaled != 0:
			at += 2
		case flags&scaledTwice != 0:
			at += 4
		case flags&matrix != 0:
			at += 8
		}
		if flags&more == 0 {
			return
		}
	}
}

// writeTables writes a TrueType file of tables in the order of their tags.
func writeTables(tables []table) []byte {
	n, log := len(tables), 0
	for 2<<log <= n {
		log++
	}
	file := []byte{0, 1, 0, 0}
	for _, v := range []int{n, 16 << log, log, 16*n - 16<<log} {
		file = binary.BigEndian.AppendUint16(file, uint16(v)) //nolint:gosec // some tables
	}
	at := len(file) + 16*n
	var body []byte
	for _, t := range tables {
		padded := append(slices.Clone(t.data), make([]byte, (4-len(t.data)%4)%4)...)
		var sum uint32
		for i := 0; i < len(padded); i += 4 {
			sum += binary.BigEndian.Uint32(padded[i:])
		}
		file = append(file, t.tag...)
		file = binary.BigEndian.AppendUint32(file, sum)
		file = binary.BigEndian.AppendUint32(file, uint32(at+len(body))) //nolint:gosec // a font is below 4 GiB
		file = binary.BigEndian.AppendUint32(file, uint32(len(t.data)))  //nolint:gosec // as above
		body = append(body, padded...)
	}
	return append(file, body...)
}
