package search

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Query is what somebody typed. A text is a hit if it has all of its terms, in any order.
type Query struct {
	terms  []run
	number string // the digits in one piece where all of it looks like a phone number, "" else
}

// Parse reads what somebody typed.
func Parse(text string) Query {
	q := Query{terms: runs(text)}
	for i, t := range q.terms {
		if !t.ideographs {
			q.terms[i].text = cut(t.text)
		}
	}
	if groups := digitGroups(text); len(groups) == len(q.terms) {
		if whole := strings.Join(groups, ""); len(whole) >= 7 {
			q.number = domestic(whole)
		}
	}
	return q
}

func cut(word string) string {
	if utf8.RuneCountInString(word) <= longest {
		return word
	}
	return string([]rune(word)[:longest])
}

// IsEmpty reports whether nothing can be looked for: there is no letter and no digit in what was typed.
func (q Query) IsEmpty() bool { return len(q.terms) == 0 }

// TSQuery is the query on tokens kept as a tsvector. It finds every hit, and, for lack of places in the tokens, texts
// that have the pairs of a longer Chinese part at other places: see [Query.Parts].
func (q Query) TSQuery() string { return q.tsquery(q.Terms()) }

// Terms are the queries of which a hit answers all, each on one token or on the beginning of one. A phone number written in groups
// is found by its digits in one piece, too, which is none of them.
func (q Query) Terms() []string {
	var terms []string
	for _, t := range q.terms {
		if !t.ideographs {
			terms = append(terms, lexeme(t.text))
			continue
		}
		for _, pair := range pairs(t.text) {
			terms = append(terms, "'"+pair+"'")
		}
	}
	return terms
}

// IsBeginning reports whether a term of [Query.Terms] asks for all tokens that begin so.
func IsBeginning(term string) bool { return strings.HasSuffix(term, ":*") }

// Wider is TSQuery without the terms that leave says, unless those are all: it finds what TSQuery finds, and more.
func (q Query) Wider(leave func(term string) bool) string {
	if kept := slices.DeleteFunc(q.Terms(), leave); len(kept) > 0 {
		return q.tsquery(kept)
	}
	return q.TSQuery()
}

func (q Query) tsquery(terms []string) string {
	all := strings.Join(terms, " & ")
	if q.number == "" {
		return all
	}
	return "(" + all + ") | " + lexeme(q.number)
}

// lexeme matches a word by its beginning; the shortest are tokens themselves.
func lexeme(word string) string {
	if utf8.RuneCountInString(word) <= short {
		return "'" + word + "'"
	}
	return "'" + word + "':*"
}

// pairs are the tokens that a part of Chinese text has: its pairs of neighbours, or the one character it is.
func pairs(text string) []string {
	tokens := ideographTokens(nil, text)
	if len(tokens) == 1 {
		return tokens
	}
	return slices.DeleteFunc(tokens, func(t string) bool { return utf8.RuneCountInString(t) != 2 })
}

// Parts are the terms that a text found by [Query.TSQuery] must still be looked at for: Chinese of three characters and more.
func (q Query) Parts() []string {
	var parts []string
	for _, t := range q.terms {
		if t.ideographs && utf8.RuneCountInString(t.text) > 2 {
			parts = append(parts, t.text)
		}
	}
	return parts
}

// Hits reports whether a value with these tokens has all terms, as TSQuery judges it.
func (q Query) Hits(tokens []string) bool {
	if q.number != "" && begun(tokens, q.number) {
		return true
	}
	for _, t := range q.terms {
		if !t.among(tokens) {
			return false
		}
	}
	return len(q.terms) > 0
}

// Touches reports whether a value with these tokens has any of the terms.
func (q Query) Touches(tokens []string) bool {
	return q.number != "" && begun(tokens, q.number) || slices.ContainsFunc(q.terms, func(t run) bool { return t.among(tokens) })
}

func (r run) among(tokens []string) bool {
	if !r.ideographs {
		return begun(tokens, r.text)
	}
	for _, pair := range pairs(r.text) {
		if !slices.Contains(tokens, pair) {
			return false
		}
	}
	return true
}

func begun(tokens []string, beginning string) bool {
	if isNumber(beginning) && len(beginning) <= short {
		return slices.Contains(tokens, beginning)
	}
	return slices.ContainsFunc(tokens, func(t string) bool { return strings.HasPrefix(t, beginning) })
}
