package crm

import "fmt"

// ParseKind reads a kind's name.
func ParseKind(s string) (Kind, error) {
	for _, k := range Kinds() {
		if string(k) == s {
			return k, nil
		}
	}
	return "", fmt.Errorf("%q is no kind of entity", s)
}

// New returns an empty entity with the defaults a missing field has. It panics on an unknown kind: use [ParseKind] on input.
func New(k Kind) Entity {
	e := empty(k)
	switch e := e.(type) {
	case *Product:
		e.IsActive = true
	}
	return e
}

func empty(k Kind) Entity {
	switch k {
	case KindCustomer:
		return new(Customer)
	case KindContact:
		return new(Contact)
	case KindProduct:
		return new(Product)
	case KindOrder:
		return new(Order)
	case KindInvoice:
		return new(Invoice)
	case KindPayment:
		return new(Payment)
	default:
		panic("crm: unknown kind " + string(k))
	}
}
