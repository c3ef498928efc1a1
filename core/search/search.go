// Package search makes the words by which a text is found, of what is stored and of what is typed.
//
// [Tokens] and [Phone] make the tokens of a stored value, [Parse] reads what somebody typed. Promises: everything is pure;
// a Latin word is found by each of its beginnings, a number by those of three digits and more, Chinese, Japanese and Korean text by each of its parts,
// a phone number by its whole, its last four digits, and from any group of digits on, however either is written;
// width, case and accents make no difference. It leaves to others where tokens are kept and how results are ranked (crm).
package search

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

const (
	// longest is how many characters of a word count.
	longest = 64
	// short are the beginnings of words that are tokens of their own: so many words begin with them that looking through
	// all is slow. Those of numbers are none: a number of one or two digits finds itself only.
	short = 2
)

// Tokens adds to dst the tokens of a text. Tokens consist of letters and digits only; some may be there twice.
func Tokens(dst []string, text string) []string {
	for _, r := range runs(text) {
		if r.ideographs {
			dst = ideographTokens(dst, r.text)
			continue
		}
		dst = wordTokens(dst, r.text)
		if i := strings.IndexFunc(r.text, isDigit); i > 0 && isNumber(r.text[i:]) {
			dst = wordTokens(dst, r.text[i:]) // iphone15 by 15
		}
		if number := strings.TrimLeft(r.text, "0"); number != "" && number != r.text && isNumber(number) {
			dst = wordTokens(dst, number) // SO-2026-000042 by 42
		}
	}
	return dst
}

// Phone adds to dst the tokens of a phone number.
func Phone(dst []string, number string) []string {
	groups := digitGroups(number)
	for i, g := range groups {
		dst = wordTokens(dst, g)
		if rest := strings.Join(groups[i:], ""); len(rest) > len(g) {
			dst = wordTokens(dst, rest)
		}
	}
	whole := strings.Join(groups, "")
	if national := domestic(whole); national != whole {
		dst = wordTokens(dst, national)
	}
	if len(whole) > 4 {
		dst = wordTokens(dst, whole[len(whole)-4:])
	}
	return dst
}

func wordTokens(dst []string, word string) []string {
	n, number := 0, isNumber(word)
	for i := range word {
		if n > 0 && n <= short && !number || n == longest {
			dst = append(dst, word[:i])
		}
		if n == longest {
			return dst
		}
		n++
	}
	return append(dst, word)
}

func ideographTokens(dst []string, text string) []string {
	before := -1
	for i, r := range text {
		end := i + len(string(r))
		dst = append(dst, text[i:end])
		if before >= 0 {
			dst = append(dst, text[before:end])
		}
		before = i
	}
	return dst
}

// run is a stretch of one kind of writing: a word, or characters that are written without blanks between words.
type run struct {
	text       string
	ideographs bool
}

// runs takes a text apart. Everything but letters and digits separates.
func runs(text string) []run {
	var all []run
	var b strings.Builder
	ideographs := false
	end := func() {
		if b.Len() > 0 {
			all = append(all, run{b.String(), ideographs})
			b.Reset()
		}
	}
	for _, r := range Fold(text) {
		switch {
		case isIdeograph(r):
			if !ideographs {
				end()
			}
			ideographs = true
		case isLetter(r), isDigit(r):
			if ideographs {
				end()
			}
			ideographs = false
		default:
			end()
			continue
		}
		b.WriteRune(r)
	}
	end()
	return all
}

// Fold brings a text into the form in which it is compared: NFKC, lower case, without the accents of Latin, Greek and Cyrillic.
func Fold(text string) string {
	ascii := true
	for i := range len(text) {
		ascii = ascii && text[i] < 0x80
	}
	if ascii {
		return strings.ToLower(text)
	}
	text = strings.ReplaceAll(strings.ToLower(norm.NFKD.String(text)), "ß", "ss")
	return norm.NFKC.String(strings.Map(func(r rune) rune {
		if r >= 0x300 && r <= 0x36f { // combining diacritical marks
			return -1
		}
		return r
	}, text))
}

func isIdeograph(r rune) bool {
	return r >= 0x1100 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai) || r == 'ー'
}

func isLetter(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }

func isNumber(word string) bool { return strings.IndexFunc(word, isLetter) < 0 }

func isDigit(r rune) bool { return unicode.IsNumber(r) }

func digitGroups(number string) []string {
	return strings.FieldsFunc(Fold(number), func(r rune) bool { return r < '0' || r > '9' })
}

// domestic takes the country code of China off a number that has it: +86 or 0086, and no fewer digits behind than a number has.
func domestic(digits string) string {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(digits, "00"), "86")
	if ok && len(rest) >= 9 {
		return rest
	}
	return digits
}
