// Package match makes the keys by which two records are recognized as one party, and says how much they have in common.
//
// A [Key] is a kind and a value in one normal form: records that share one may be the same. [Compare] scores what is
// shared and keeps the reasons. Promises: everything is pure; comparing is symmetric; a branch (分公司) is never taken
// for its company. It leaves to others where keys are kept (crm) and what is done about a duplicate (duplicate).
package match

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Key is the kind of a fact, a colon, and the fact in its normal form: email:ann@example.com.
type Key string

// The kinds of keys. Head and Tail are the ends of a long name: who has a name like it has one of them; City only adds to others.
const (
	USCC     = "uscc"
	TaxID    = "tax_id"
	Phone    = "phone"
	Email    = "email"
	Domain   = "domain"
	Name     = "name"
	FullName = "full_name" // of a person
	Person   = "person"    // a person's name at a customer
	Head     = "head"
	Tail     = "tail"
	City     = "city"
	Mapped   = "key" // a mapping's own: what has it in common is taken for the same by every pull
)

// Kind is the part before the colon.
func (k Key) Kind() string {
	kind, _, _ := strings.Cut(string(k), ":")
	return kind
}

// Value is the part after the colon.
func (k Key) Value() string {
	_, value, _ := strings.Cut(string(k), ":")
	return value
}

// Keys are the keys of one record, in order, each once.
type Keys []Key

func (ks *Keys) add(kind, value string) {
	if value == "" {
		return
	}
	k := Key(kind + ":" + value)
	if i, there := slices.BinarySearch(*ks, k); !there {
		*ks = slices.Insert(*ks, i, k)
	}
}

// AddUSCC adds a 统一社会信用代码, which since 2015 is the number a company is taxed under as well.
func (ks *Keys) AddUSCC(code string) {
	ks.add(USCC, alphanumeric(code))
	ks.add(TaxID, alphanumeric(code))
}

// AddTaxID adds a tax number.
func (ks *Keys) AddTaxID(number string) { ks.add(TaxID, alphanumeric(number)) }

// AddPhone adds a phone number in the form of E.164, as one of China where it says no country.
func (ks *Keys) AddPhone(number string) { ks.add(Phone, E164(number)) }

// AddEmail adds an address, and its domain where that belongs to a company.
func (ks *Keys) AddEmail(address string) {
	address = strings.ToLower(strings.TrimSpace(address))
	_, domain, ok := strings.Cut(address, "@")
	if !ok {
		return
	}
	ks.add(Email, address)
	if !freeMail(domain) {
		ks.add(Domain, domain)
	}
}

// AddCompany adds a company's name; longer ones by their ends too.
func (ks *Keys) AddCompany(name string) {
	n := CompanyName(name)
	ks.add(Name, n)
	end := 6
	if n != "" && n[0] >= utf8.RuneSelf {
		end = 4 // a Chinese character says more than a letter
	}
	if runes := []rune(n); len(runes) > end {
		ks.add(Head, string(runes[:end]))
		ks.add(Tail, string(runes[len(runes)-end:]))
	}
}

// AddPerson adds a person's name, and that name at each of the customers named by their ids.
func (ks *Keys) AddPerson(name string, customers ...string) {
	n := PersonName(name)
	if n == "" {
		return
	}
	ks.add(FullName, n)
	for _, c := range customers {
		ks.add(Person, c+"/"+n)
	}
}

// AddCity adds where somebody is.
func (ks *Keys) AddCity(city string) { ks.add(City, strings.TrimSuffix(plain(city), "市")) }

// Sure are the keys without one of which in common no two records are the same, whatever else they share.
func (ks Keys) Sure() Keys { return ks.of(USCC, TaxID, Phone, Email, Person) }

// Named is the name as a key, and Ends are its ends: records that share one of them may be the same, and many may.
func (ks Keys) Named() Keys { return ks.of(Name) }

// Ends are the ends of the name; see Named.
func (ks Keys) Ends() Keys { return ks.of(Head, Tail) }

func (ks Keys) of(kinds ...string) Keys {
	some := Keys{}
	for _, k := range ks {
		if slices.Contains(kinds, k.Kind()) {
			some = append(some, k)
		}
	}
	return some
}

// Shared are the keys that both have.
func (ks Keys) Shared(with Keys) Keys {
	var both Keys
	for _, k := range ks {
		if slices.Contains(with, k) {
			both = append(both, k)
		}
	}
	return both
}

// Name is the normal form of a company's name, "" if there is none.
func (ks Keys) Name() string {
	for _, k := range ks {
		if k.Kind() == Name {
			return k.Value()
		}
	}
	return ""
}
