package paper

import (
	"strings"
	"unicode"
)

// wrap breaks a text into lines that are no wider than given: at spaces, around Chinese characters, and within a word that is
// wider than a line. Each character is on one of the lines, but for the spaces at breaks.
func wrap(s string, width float64, measure func(string) float64) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(strings.ReplaceAll(s, "\r\n", "\n"), "\n") {
		rest := []rune(strings.TrimRightFunc(paragraph, unicode.IsSpace))
		for {
			n := fitting(rest, width, measure)
			lines = append(lines, strings.TrimRightFunc(string(rest[:n]), unicode.IsSpace))
			if n == len(rest) {
				break
			}
			for rest = rest[n:]; unicode.IsSpace(rest[0]); {
				rest = rest[1:]
			}
		}
	}
	return lines
}

// fitting returns how many characters stand on the first line; at least one, so that it goes on.
func fitting(text []rune, width float64, measure func(string) float64) int {
	whole, used := 0, 0.0 // up to the last place to break
	for i, r := range text {
		if i > 0 && mayBreak(text[i-1], r) {
			whole = i
		}
		used += measure(string(r))
		if used > width && !unicode.IsSpace(r) {
			if whole > 0 {
				return whole
			}
			return max(i, 1)
		}
	}
	return len(text)
}

// mayBreak reports whether a line may end between two characters. What closes stays with what is before it.
func mayBreak(before, after rune) bool {
	if unicode.IsSpace(after) || strings.ContainsRune("，。、；：！？）》」』”’,.;:!?)", after) {
		return false
	}
	return unicode.IsSpace(before) || ideographic(before) || ideographic(after)
}

func ideographic(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) || r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xffef
}
