package crm

import (
	"net/mail"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/text/language"

	"crmhub/core/money"
)

// formats are the forms a text may have to have; each returns what is wrong, "" if nothing.
var formats = map[string]func(string) string{ //nolint:gochecknoglobals // a table
	"email":    wrongEmail,
	"phone":    wrongPhone,
	"website":  wrongWebsite,
	"currency": wrongCurrency,
	"country":  wrongCountry,
	"uscc":     wrongUSCC,
}

func wrongEmail(s string) string {
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s || len(s) > 254 {
		return "must be an e-mail address like name@example.com"
	}
	return ""
}

// phoneForm is lenient on purpose: other systems keep numbers in many notations, and none of them is worth losing a customer for.
var phoneForm = regexp.MustCompile(`^[+(]?[0-9][0-9 ()./\-]{1,30}[0-9)]( ?(x|ext\.?|#) ?[0-9]{1,8})?$`)

func wrongPhone(s string) string {
	if !phoneForm.MatchString(s) {
		return "must be a phone number like +86 10 1234 5678"
	}
	return ""
}

func wrongWebsite(s string) string {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || !strings.Contains(u.Hostname(), ".") || u.User != nil {
		return "must be a web address like https://example.com"
	}
	return ""
}

func wrongCurrency(s string) string {
	if _, err := money.Digits(s); err != nil || strings.ToUpper(s) != s {
		return "must be an ISO 4217 currency like EUR"
	}
	return ""
}

func wrongCountry(s string) string {
	r, err := language.ParseRegion(s)
	if err != nil || len(s) != 2 || strings.ToUpper(s) != s || !r.IsCountry() {
		return "must be an ISO 3166-1 country like CN"
	}
	return ""
}

// usccForm leaves the check digit alone: real codes are known that fail it.
var usccForm = regexp.MustCompile(`^[0-9A-HJ-NPQRTUWXY]{18}$`)

func wrongUSCC(s string) string {
	if !usccForm.MatchString(s) {
		return "must be 18 digits and capital letters, without I, O, S, V and Z"
	}
	return ""
}
