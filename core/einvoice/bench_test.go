package einvoice

import (
	"bytes"
	"strconv"
	"testing"
)

// BenchmarkCheck judges a complete invoice of 20 lines, read before; BenchmarkParse reads it.
func BenchmarkCheck(b *testing.B) {
	v := parsed(b, written(b, lines(20)))
	if f := Check(v); len(f) > 0 {
		b.Fatal(f)
	}
	b.ReportAllocs()
	for b.Loop() {
		Check(v)
	}
}

func BenchmarkParse(b *testing.B) {
	file := written(b, lines(20))
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(bytes.NewReader(file)); err != nil {
			b.Fatal(err)
		}
	}
}

// lines is a complete invoice with more lines, of nothing.
func lines(n int) *Invoice {
	v := complete(false)
	for i := len(v.Lines); i < n; i++ {
		l := v.Lines[1]
		l.ID, l.Untaxed, l.Quantity = strconv.Itoa(i+1), amount("0.00"), amount("0")
		v.Lines = append(v.Lines, l)
	}
	return v
}
