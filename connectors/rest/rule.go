package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// rule tells an error by the answer.
type rule struct {
	match      match
	class      connector.Class
	message    *pointer
	code       *pointer
	remedy     string
	retryAfter *pointer
	wait       time.Duration
	refused    bool // even a 5xx that fits changed nothing
	absent     bool // there is no such record
}

func (c *compiler) rule(at placed[ruleManifest]) rule {
	m := at.Value
	r := rule{
		match: c.match(m.matchManifest, at.Line), class: connector.Class(m.Class),
		message: c.maybe(m.Message), code: c.maybe(m.Code), remedy: m.Remedy, refused: m.Refused, absent: m.Absent,
	}
	if m.RetryAfter.Set {
		if strings.HasPrefix(m.RetryAfter.Text, "/") {
			r.retryAfter = c.maybe(m.RetryAfter)
		} else {
			d, err := time.ParseDuration(m.RetryAfter.Text)
			if err != nil {
				c.faults.add(m.RetryAfter.Line, "retry_after is a pointer or a duration such as 30s")
			}
			r.wait = d
		}
	}
	return r
}

// failure is why a call did not succeed. Unknown: the remote may have done it all the same.
type failure struct {
	err     *connector.Error
	unknown bool
	absent  bool // what was asked for is not there
}

// refused reports whether the remote has no use for the call as it is, today or tomorrow.
func (f *failure) refused() bool { return !f.err.Retryable() && f.err.Class != connector.ClassAuth }

func refuse(said *schema.Saying, class connector.Class, message, remedy string) *failure {
	return &failure{err: &connector.Error{Class: class, Message: message, Remedy: remedy, Said: said}}
}

// judge returns why an answer is a failure, nil if it is none.
func (s *session) judge(c *call, a *answer) *failure {
	for i := range s.plan.rules {
		r := &s.plan.rules[i]
		if r.match.fits(a.status, a.header, a.whole) {
			f := &failure{err: s.ruled(r, a), absent: r.absent}
			f.unknown = !c.read && a.status >= 500 && !r.refused
			return f
		}
	}
	if a.status == http.StatusNotModified && c.read {
		return nil // nothing changed since: an answer without records
	}
	if a.status >= 200 && a.status < 300 {
		if a.broken == nil {
			return nil
		}
		return &failure{unknown: !c.read, err: &connector.Error{
			Class: connector.ClassConfig, Message: "the answer cannot be read: " + a.broken.Error(), Code: statusCode(a.status), Err: a.broken,
			Remedy: "Check the address: something other than the expected system may have answered.", Said: schema.Say("unreadable_answer"),
		}}
	}
	e := &connector.Error{Class: classOf(a.status), Message: "the remote answered " + statusCode(a.status), Code: statusCode(a.status), Said: schema.Say("answered", statusCode(a.status))}
	if wait, ok := retryAfter(a.header); ok && e.Retryable() {
		e.RetryAfter = wait
	}
	switch e.Class {
	case connector.ClassAuth:
		e.Remedy, e.Said = "Check the connection's credentials and their rights.", schema.Say("answered_auth", statusCode(a.status))
	case connector.ClassConfig:
		e.Remedy, e.Said = "Check the connection's address.", schema.Say("answered_config", statusCode(a.status))
	}
	return &failure{err: e, unknown: !c.read && mayHaveActed(a.status)}
}

// mayHaveActed reports whether a remote that answers so may have done what it was asked. A redirect can be its way of
// showing what it has made.
func mayHaveActed(status int) bool {
	switch status {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return false
	default:
		return status < 400 || classOf(status) == connector.ClassTransient
	}
}

func statusCode(status int) string { return "HTTP " + strconv.Itoa(status) }

func classOf(status int) connector.Class {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return connector.ClassAuth
	case status == http.StatusConflict || status == http.StatusPreconditionFailed:
		return connector.ClassConflict
	case status == http.StatusTooManyRequests:
		return connector.ClassQuota
	case status == http.StatusRequestTimeout || status >= 500:
		return connector.ClassTransient
	case status < 400 || status == http.StatusMethodNotAllowed:
		return connector.ClassConfig
	default:
		return connector.ClassData
	}
}

// ruled is the error that a rule makes of an answer, or of an element of a batch's, which has no status.
func (s *session) ruled(r *rule, a *answer) *connector.Error {
	e := &connector.Error{Class: r.class, Remedy: r.remedy, RetryAfter: r.wait}
	if a.status != 0 {
		e.Code = statusCode(a.status)
	}
	if r.code != nil {
		if v, ok := r.code.in(a.whole); ok {
			e.Code = s.said(v, a.hidden)
		}
	}
	if r.message != nil {
		if v, ok := r.message.in(a.whole); ok {
			e.Message = s.said(v, a.hidden)
		}
	}
	if e.Message == "" {
		e.Message = "the remote refused it"
		e.Said = schema.Say("no_reason")
	} else {
		e.Said = repeated(e)
	}
	if wait, ok := retryAfter(a.header); ok && r.wait == 0 {
		e.RetryAfter = wait
	}
	if r.retryAfter != nil {
		if v, ok := r.retryAfter.in(a.whole); ok {
			str, _ := text(v) // a value of another kind says nothing
			if seconds, err := strconv.ParseFloat(str, 64); err == nil && seconds > 0 {
				e.RetryAfter = inSeconds(seconds)
			}
		}
	}
	return e
}

// repeated says what the remote said as it said it; what to do about it the manifest says, and in other languages than the manifest's
// the kind of the error.
func repeated(e *connector.Error) *schema.Saying {
	switch {
	case e.Remedy == "":
		return nil
	case e.Class == connector.ClassAuth:
		return schema.Say("refused_auth", e.Message)
	case e.Class == connector.ClassConfig:
		return schema.Say("refused_config", e.Message)
	case e.Class == connector.ClassBusiness:
		return schema.Say("refused_business", e.Message)
	}
	return schema.Say("refused_data", e.Message)
}

// notLetIn is what a failed log-in says: what the remote said, or that it answered as it did.
func notLetIn(e *connector.Error) *schema.Saying {
	if e.Said != nil && e.Said.Code == "answered" {
		return schema.Say("answered_auth", e.Code)
	}
	return e.Said
}

const maxMessage = 300 // characters of a remote's message that are kept

// said is a text of the remote, shortened and without secrets.
func (s *session) said(v any, hidden []string) string {
	str, err := text(v)
	if err != nil {
		return ""
	}
	str = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) { // terminals obey some
			return ' '
		}
		return c
	}, s.hide(str, hidden))
	str = strings.Join(strings.Fields(str), " ")
	if utf8.RuneCountInString(str) > maxMessage {
		str = string([]rune(str)[:maxMessage]) + "…"
	}
	return str
}

// hide takes secrets out of a text: the connection's, also as a URL has them, and those given,
// also as JSON has them. Shorter ones than four
// characters stay: hiding them would tell them, by the holes they leave.
func (s *session) hide(str string, hidden []string) string {
	given := hidden
	hidden = append(slices.Clone(s.secretForms()), hidden...)
	for _, secret := range given {
		hidden = append(hidden, inJSON(secret)...)
	}
	slices.SortFunc(hidden, func(a, b string) int { return len(b) - len(a) }) // a secret may hold another
	for _, secret := range hidden {
		if len(secret) >= 4 {
			str = strings.ReplaceAll(str, secret, "•••")
		}
	}
	return str
}

// secretForms are the connection's secrets as texts, URLs and JSON have them.
func (s *session) secretForms() []string {
	s.hiding.Do(func() {
		for _, v := range s.secrets {
			if secret, ok := v.(string); ok {
				s.hidden = append(append(s.hidden, secret, url.QueryEscape(secret), url.PathEscape(secret)), inJSON(secret)...)
			}
		}
	})
	return s.hidden
}

// longestWait bounds what a remote can ask for: more than a day is a mistake of its.
const longestWait = 24 * time.Hour

func inSeconds(n float64) time.Duration {
	return time.Duration(min(n, longestWait.Seconds()) * float64(time.Second))
}

// retryAfter reads the header, in seconds or as a date.
func retryAfter(h http.Header) (time.Duration, bool) {
	v := h.Get("Retry-After")
	if v == "" {
		return 0, false
	}
	if seconds, err := strconv.ParseUint(v, 10, 64); err == nil {
		return inSeconds(float64(seconds)), true
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(0, at.Sub(now)), longestWait), true
}

// unreachable is a call that got no answer: a failure whose outcome is known, unless the caller says otherwise. The URL stays out of it, as it may carry a key.
func unreachable(err error) *failure {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	e := &connector.Error{
		Class: connector.ClassTransient, Message: "the remote cannot be reached: " + err.Error(), Err: err, Said: schema.Say("unreachable", err),
		Remedy: "Check host and port of the address, that the system runs, and that this machine may reach it.",
	}
	switch {
	case errors.Is(err, context.Canceled):
		e.Message, e.Said, e.Remedy = "the call was ended before an answer came", schema.Say("ended_early"), ""
	case isTimeout(err):
		e.Message, e.Said, e.Remedy = "the remote did not answer in time", schema.Say("no_answer"), ""
	case isPlain(err):
		e.Message, e.Said = "the remote does not speak TLS at this address", schema.Say("no_tls")
		e.Remedy = "Begin the address with http://, or give the port at which it speaks TLS."
	case isCertificate(err):
		e.Class, e.Remedy = connector.ClassConfig, "Check the address, and that the remote's certificate is valid and trusted by this machine."
		e.Said = schema.Say("bad_certificate", err)
	}
	return &failure{err: e}
}

// isPlain reports whether something answered without TLS where TLS was spoken.
func isPlain(err error) bool {
	_, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok || errors.Is(err, http.ErrSchemeMismatch)
}
