package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// condition is a question to a document: is what the pointer finds one of these, or does it match?
type condition struct {
	at      pointer
	in      []string // texts of the scalars wanted; nil if not asked
	notIn   []string
	matches *regexp.Regexp
	exists  *bool
}

func (c *compiler) condition(m conditionManifest, line int) condition {
	var made condition
	made.at = c.pointer(m.At)
	made.exists = m.Exists
	if m.Equals != nil {
		m.In = append(m.In, m.Equals)
	}
	for _, v := range m.In {
		made.in = append(made.in, fmt.Sprint(v))
	}
	for _, v := range m.NotIn {
		made.notIn = append(made.notIn, fmt.Sprint(v))
	}
	if m.Matches.Set {
		re, err := regexp.Compile(m.Matches.Text)
		if err != nil {
			c.faults.add(m.Matches.Line, "matches: "+err.Error())
		}
		made.matches = re
	}
	if made.in == nil && made.notIn == nil && !m.Matches.Set && made.exists == nil {
		c.faults.add(line, "a condition says equals, in, not_in, matches or exists")
	}
	return made
}

func (c condition) holds(doc any) bool {
	v, found := c.at.in(doc)
	found = found && v != nil
	if c.exists != nil && *c.exists != found {
		return false
	}
	str, err := text(v)
	scalar := found && err == nil
	if c.in != nil && (!scalar || !slices.Contains(c.in, str)) {
		return false
	}
	if c.notIn != nil && scalar && slices.Contains(c.notIn, str) {
		return false
	}
	return c.matches == nil || scalar && c.matches.MatchString(str)
}

// match is a condition on an answer: its status, a header, its body.
type match struct {
	statuses  []int // 422, or 5 for 5xx
	header    string
	condition *condition
}

func (c *compiler) match(m matchManifest, line int) match {
	made := match{header: http.CanonicalHeaderKey(m.Header)}
	for _, s := range m.Status {
		switch s := s.(type) {
		case int:
			made.statuses = append(made.statuses, s)
		case string: // 5xx
			class, _ := strconv.Atoi(strings.TrimSuffix(s, "xx"))
			made.statuses = append(made.statuses, class)
		}
	}
	if m.At.Set || m.Header != "" {
		cond := c.condition(m.conditionManifest, line)
		made.condition = &cond
	}
	if made.condition == nil && made.statuses == nil {
		c.faults.add(line, "nothing says when this applies: status, at or header")
	}
	return made
}

// fits reports whether an answer is meant. A status of 0 is an element of a batch's answer.
func (m match) fits(status int, header http.Header, body any) bool {
	if m.statuses != nil && !slices.Contains(m.statuses, status) && !slices.Contains(m.statuses, status/100) {
		return false
	}
	if m.condition == nil {
		return true
	}
	if m.header != "" {
		var doc any
		if v := header.Get(m.header); v != "" {
			doc = v
		}
		return m.condition.holds(doc)
	}
	return m.condition.holds(body)
}

// differs reports whether anything wanted is otherwise in the record. The record may have more fields; numbers are compared as
// numbers even where one side writes them as text; null, missing and empty are the same.
func differs(wanted, record any) bool {
	switch wanted := wanted.(type) {
	case map[string]any:
		has, ok := record.(map[string]any)
		if !ok {
			return len(wanted) > 0
		}
		for key, v := range wanted {
			if differs(v, has[key]) {
				return true
			}
		}
		return false
	case []any:
		has, _ := record.([]any)
		if len(has) != len(wanted) {
			return true
		}
		for i := range wanted {
			if differs(wanted[i], has[i]) {
				return true
			}
		}
		return false
	}
	a, errA := text(wanted)
	b, errB := text(record)
	if errA != nil || errB != nil {
		return true
	}
	if a == b {
		return false
	}
	if !isNumber(wanted) && !isNumber(record) && (a == "" || b == "" || !numeric(a) || !numeric(b)) {
		return true
	}
	x, errX := parseDecimal(a)
	y, errY := parseDecimal(b)
	return errX != nil || errY != nil || !decimal.Decimal.Equal(x, y)
}

func isNumber(v any) bool {
	_, ok := v.(json.Number)
	return ok
}

// numeric reports whether a text is a decimal number and not merely made of digits, as a code with leading zeros is.
func numeric(s string) bool {
	if _, err := strconv.ParseFloat(s, 64); err != nil {
		return false
	}
	return len(s) == 1 || s[0] != '0' || s[1] == '.'
}
