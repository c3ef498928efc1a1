package reconcile

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/shopspring/decimal"

	"crmhub/core/crm"
)

// amountOf is what an entity adds to the sums; nil for kinds without amounts, and for what is deleted or cancelled.
func amountOf(e crm.Entity) *Amount {
	if e == nil || crm.HeadOf(e).DeletedAt != nil {
		return nil
	}
	switch e := e.(type) {
	case *crm.Order:
		return amount(e.Status, e.Currency, &e.Date, e.Total)
	case *crm.Invoice:
		return amount(e.Status, e.Currency, e.IssueDate, e.Total)
	case *crm.Payment:
		return amount(e.Status, e.Currency, &e.Date, e.Amount)
	}
	return nil
}

// amountFields are the fields that amountOf looks at, of all kinds.
func amountFields() []string {
	return []string{"status", "currency", "date", "issue_date", "total", "amount"}
}

func amount(status, currency string, on *crm.Date, total decimal.Decimal) *Amount {
	if status == "cancelled" {
		return nil
	}
	a := &Amount{Currency: currency, Amount: total}
	if on != nil && !on.IsZero() { // a draft may have no date yet
		a.Month = on.Time().Format("2006-01")
	}
	return a
}

// theirAmount is what a record adds to the sums: that of the entity as it would be if the record were right. ours is the
// entity's document, nil for a record without one; docs are left alone.
func theirAmount(k crm.Kind, ours, theirs map[string]any) *Amount {
	whole := maps.Clone(ours)
	if whole == nil {
		whole = map[string]any{}
	}
	delete(whole, "deleted_at")
	for field, v := range theirs {
		if v == nil {
			delete(whole, field)
		} else {
			whole[field] = v
		}
	}
	e, err := crm.FromDocument(k, whole)
	if err != nil {
		return nil
	}
	e.Normalize()
	return amountOf(e)
}

// hasAmounts reports whether a kind is summed up.
func hasAmounts(k crm.Kind) bool {
	return k == crm.KindOrder || k == crm.KindInvoice || k == crm.KindPayment
}

// sums adds up amounts by currency and month. There are few of those: it does not grow with the documents.
type sums struct {
	mu sync.Mutex
	of map[[2]string]*Sum
}

// add adds amounts to both sides, or with times = -1 takes them away. A nil amount is none.
func (s *sums) add(ours, theirs *Amount, times int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := decimal.NewFromInt(times)
	if ours != nil {
		at := s.at(*ours)
		at.OursCount += times
		at.Ours = at.Ours.Add(ours.Amount.Mul(n))
	}
	if theirs != nil {
		at := s.at(*theirs)
		at.TheirsCount += times
		at.Theirs = at.Theirs.Add(theirs.Amount.Mul(n))
	}
}

func (s *sums) at(a Amount) *Sum {
	key := [2]string{a.Month, a.Currency}
	if s.of == nil {
		s.of = map[[2]string]*Sum{}
	}
	if s.of[key] == nil {
		s.of[key] = &Sum{Currency: a.Currency, Month: a.Month}
	}
	return s.of[key]
}

// merge adds what another has added up.
func (s *sums) merge(o *sums) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sum := range o.of {
		at := s.at(Amount{Currency: sum.Currency, Month: sum.Month})
		at.OursCount += sum.OursCount
		at.Ours = at.Ours.Add(sum.Ours)
		at.TheirsCount += sum.TheirsCount
		at.Theirs = at.Theirs.Add(sum.Theirs)
	}
}

// list is all sums by month and currency; those of nothing are left out.
func (s *sums) list() []Sum {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Sum, 0, len(s.of))
	for _, sum := range s.of {
		if sum.OursCount == 0 && sum.TheirsCount == 0 {
			continue
		}
		one := *sum
		one.Equal = one.OursCount == one.TheirsCount && one.Ours.Equal(one.Theirs)
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Sum) int { return strings.Compare(a.Month+a.Currency, b.Month+b.Currency) })
	return all
}
