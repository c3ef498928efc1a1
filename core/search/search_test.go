package search_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"crmhub/core/search"
)

func TestWhatIsTypedFindsWhatIsStored(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		stored, typed string
		want          bool
	}{
		{"Northwind Traders", "north", true},
		{"Northwind Traders", "TRADERS north", true},
		{"Northwind Traders", "wind", false},
		{"华为技术有限公司", "华", true},
		{"华为技术有限公司", "技术", true},
		{"华为技术有限公司", "为技术有", true},
		{"华为技术有限公司", "华技", false},
		{"华为技术有限公司 (Huawei)", "huawei 技术", true},
		{"ＡＢＣ株式会社", "abc 株式", true},
		{"Müller & Söhne", "muller sohne", true},
		{"Muller", "Müll", true},
		{"Große Straße", "strass", true},
		{"SO-2026-000042", "SO-2026-000042", true},
		{"SO-2026-000042", "so-2026-0000", true},
		{"SO-2026-000042", "42", true},
		{"SO-2026-000042", "43", false},
		{"iPhone15", "15", true},
		{"ann.lee@example.com", "ann.lee@example.com", true},
		{"ann.lee@example.com", "example", true},
		{"ソフトウェア", "ウェア", true},
		{"x", " -- ", false},
	} {
		if got := search.Parse(tc.typed).Hits(search.Tokens(nil, tc.stored)); got != tc.want {
			t.Errorf("%q in %q: got %t", tc.typed, tc.stored, got)
		}
	}
}

func TestPhoneIsFoundHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	for _, stored := range []string{"+86 139 1234 5678", "13912345678", "139-1234-5678", "+8613912345678", "0086 13912345678"} {
		for _, typed := range []string{"13912345678", "139 1234 5678", "+86 139-1234-5678", "8613912345678", "1391", "5678", "+86 13912345678"} {
			if !search.Parse(typed).Hits(search.Phone(nil, stored)) {
				t.Errorf("%q does not find %q", typed, stored)
			}
		}
	}
	if search.Parse("13912345679").Hits(search.Phone(nil, "13912345678")) {
		t.Error("another number is found")
	}
}

func TestEveryPartOfATextFindsIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		stored := anyText(t)
		from, to := anyPart(t, stored)
		checkHit(t, stored, stored[from:to])
	})
}

func anyText(t *rapid.T) string {
	piece := rapid.OneOf(rapid.StringMatching(`[a-zA-Z0-9]{1,9}`), rapid.StringMatching(`[一-十技术有限公司]{1,6}`),
		rapid.StringMatching(`[ .,/@-]{1,2}`), rapid.StringMatching(`[ä-üÀ-ÖА-яｦ-ﾝ가-각Ａ-Ｚ０-９]{1,5}`), rapid.String())
	return strings.Join(rapid.SliceOfN(piece, 1, 6).Draw(t, "text"), "")
}

// anyPart draws a part that begins where a word does, or inside Chinese text.
func anyPart(t *rapid.T, text string) (from, to int) {
	starts := []int{0}
	before := ' '
	for i, r := range text {
		if !inWord(before) || unicode.Is(unicode.Han, r) {
			starts = append(starts, i)
		}
		before = r
	}
	from = rapid.SampledFrom(starts).Draw(t, "from")
	ends := []int{len(text)}
	for i := range text {
		if i > from {
			ends = append(ends, i)
		}
	}
	return from, rapid.SampledFrom(ends).Draw(t, "to")
}

func inWord(r rune) bool { return r > unicode.MaxASCII || unicode.IsLetter(r) || unicode.IsDigit(r) }

var shortNumber = regexp.MustCompile(`(^|\PN)\pN{1,2}($|\PN)`)

func checkHit(t interface {
	Errorf(format string, args ...any)
}, stored, typed string,
) {
	if shortNumber.MatchString(typed) {
		return // finds whole numbers only
	}
	q := search.Parse(typed)
	if !q.IsEmpty() && !q.Hits(search.Tokens(nil, stored)) {
		t.Errorf("%q does not find %q: %s in %q", typed, stored, q.TSQuery(), search.Tokens(nil, stored))
	}
}

func FuzzTokensAreWordsAndFound(f *testing.F) {
	f.Add("华为 Technologies + 139 1234", 2)
	f.Add("ａ　ｂ㈱ﷺ", 1)
	f.Add("e\u0301中\u0301国", 3)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		for _, token := range append(search.Tokens(nil, text), search.Phone(nil, text)...) {
			if token == "" || !utf8.ValidString(token) || strings.ContainsAny(token, " '\\:&|!()\x00") {
				t.Errorf("token %q of %q", token, text)
			}
		}
		checkHit(t, text, text)
		if cut > 0 && cut < len(text) && utf8.RuneStart(text[cut]) && unicode.Is(unicode.Han, []rune(text[cut:])[0]) {
			checkHit(t, text, text[:cut])
		}
	})
}
