package crm

import (
	"fmt"
	"reflect"
	"strings"
)

// ParseKind reads a kind's name.
func ParseKind(s string) (Kind, error) {
	for _, k := range Kinds() {
		if string(k) == s {
			return k, nil
		}
	}
	return "", fmt.Errorf("%q is no kind of entity", s)
}

// Plural is what many of the kind are called: their table, their list. Paths write it with hyphens.
func (k Kind) Plural() string {
	switch stem, y := strings.CutSuffix(string(k), "y"); {
	case y:
		return stem + "ies"
	case k == KindFeedback:
		return string(k)
	default:
		return string(k) + "s"
	}
}

// New returns an empty entity with the defaults a missing field has. It panics on an unknown kind: use [ParseKind] on input.
func New(k Kind) Entity {
	e := empty(k)
	shapes()[k].setDefaults(reflect.ValueOf(e).Elem())
	return e
}

func empty(k Kind) Entity {
	switch k {
	case KindCustomer:
		return new(Customer)
	case KindContact:
		return new(Contact)
	case KindProductCategory:
		return new(ProductCategory)
	case KindProduct:
		return new(Product)
	case KindSegment:
		return new(Segment)
	case KindCampaign:
		return new(Campaign)
	case KindPipeline:
		return new(Pipeline)
	case KindOpportunity:
		return new(Opportunity)
	case KindOrder:
		return new(Order)
	case KindInvoice:
		return new(Invoice)
	case KindPayment:
		return new(Payment)
	case KindContract:
		return new(Contract)
	case KindCampaignMember:
		return new(CampaignMember)
	case KindTicket:
		return new(Ticket)
	case KindFeedback:
		return new(Feedback)
	case KindActivity:
		return new(Activity)
	case KindTask:
		return new(Task)
	case KindPrice:
		return new(Price)
	case KindCurrencyRate:
		return new(CurrencyRate)
	case KindCustomField:
		return new(CustomField)
	default:
		panic("crm: unknown kind " + string(k))
	}
}
