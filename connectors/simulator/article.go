package simulator

import (
	"fmt"
	"net/http"
)

// article is the ERP's product. Prices are for 100 pieces, as in trades where one costs less than a cent, and a tax
// rate is a fraction.
type article struct {
	ArticleNo string  `json:"article_no,omitempty"`
	Rev       int64   `json:"rev,omitempty"`
	Changed   stamp   `json:"changed,omitzero"`
	Ref       string  `json:"external_ref"`
	Title     string  `json:"title"`
	Group     string  `json:"group,omitempty"`
	Info      string  `json:"info,omitempty"`
	UOM       string  `json:"uom"`
	Currency  string  `json:"currency,omitempty"`
	Price100  *number `json:"price_per_100,omitempty"`
	VAT       *number `json:"vat,omitempty"`
	Phase     string  `json:"phase"` // ACTIVE, PHASED_OUT
}

func (a article) check() *answer {
	var bad answer
	switch {
	case a.Title == "":
		bad = refuse(http.StatusUnprocessableEntity, "REQUIRED", "title", "an article needs a title")
	case a.Phase != "ACTIVE" && a.Phase != "PHASED_OUT":
		bad = refuse(http.StatusUnprocessableEntity, "BAD_VALUE", "phase", "it must be ACTIVE or PHASED_OUT")
	case a.Price100 != nil && a.Price100.IsNegative():
		bad = refuse(http.StatusUnprocessableEntity, "BAD_VALUE", "price_per_100", "it must not be negative")
	case a.VAT != nil && !isFraction(*a.VAT):
		bad = refuse(http.StatusUnprocessableEntity, "BAD_VALUE", "vat", "it must be a fraction, such as 0.2")
	default:
		return nil
	}
	return &bad
}

func isFraction(n number) bool { return !n.IsNegative() && n.LessThanOrEqual(integer(1).Decimal) }

func (e *ERP) createArticle(r *http.Request) answer {
	var a article
	if bad := decode(r, &a); bad != nil {
		return *bad
	}
	if bad := a.check(); bad != nil {
		return *bad
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if made := repeated(r, e.articles); made != nil {
		return *made
	}
	made := &row[article]{id: fmt.Sprintf("A%05d", 20000+e.articles.next())}
	e.storeArticle(made, a)
	remember(r, e.articles, made)
	return answer{status: http.StatusCreated, body: made.data}
}

func (e *ERP) updateArticle(r *http.Request) answer {
	var a article
	if bad := decode(r, &a); bad != nil {
		return *bad
	}
	if bad := a.check(); bad != nil {
		return *bad
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.articles.byID[r.PathValue("id")]
	if old == nil {
		return notFound(r)
	}
	if bad := stale(r, old.rev); bad != nil {
		return *bad
	}
	e.storeArticle(old, a)
	return answer{status: http.StatusOK, body: old.data}
}

func (e *ERP) storeArticle(to *row[article], a article) {
	at := e.clock.next()
	a.ArticleNo, a.Rev, a.Changed = to.id, to.rev+1, stamp(at)
	to.data = a
	e.articles.put(to, a.Ref, at)
}
