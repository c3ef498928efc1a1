package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// idForm is what an id looks like: part of an account, of a link and of a file's name at once.
var idForm = regexp.MustCompile(`^[A-Z0-9][A-Za-z0-9-]{0,99}$`)

// idOf is the id of the record with a reference: the reference itself if it can be one, else what is left of it with a
// digest, so that two references have two ids.
func idOf(reference string) string {
	if idForm.MatchString(reference) && len(reference) <= 64 {
		return reference
	}
	var b strings.Builder
	for _, r := range reference {
		switch {
		case b.Len() == 40:
		case r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	sum := sha256.Sum256([]byte(reference))
	id := strings.Trim(b.String(), "-") + "-" + hex.EncodeToString(sum[:5])
	if id[0] == '-' {
		return "X" + id
	}
	return strings.ToUpper(id[:1]) + id[1:]
}

// plain makes one line of a text: what is no printable character, and blanks of any kind, become one blank.
func plain(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(clean), " ")
}

// quoted is a text as a beancount string.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(plain(s)) + `"`
}

// described is a text as a part of an hledger description, which has no quotes: a semicolon would begin a comment, and a
// bar part payee and note.
func described(s string) string {
	return strings.NewReplacer(";", ",", "|", "/").Replace(plain(s))
}

// commented is a value as one line of JSON in printable characters, so that it can stand in a comment.
func commented(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write a record down: %w", err)
	}
	var line strings.Builder
	for _, r := range string(b) {
		switch {
		case unicode.IsPrint(r):
			line.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&line, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&line, `\u%04x`, r)
		}
	}
	return line.String(), nil
}
