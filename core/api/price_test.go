package api_test

import (
	"testing"

	"crmhub/core/access"
)

func TestPricesAndRatesAreLookedUp(t *testing.T) {
	t.Parallel()
	h := newHub(t) // in EUR
	h.make("product", "/products", `{"sku":"P1","name":"Pump","list_price":"10.5"}`)
	h.make("bare", "/products", `{"sku":"P2","name":"Valve","currency":"CNY"}`)
	h.make("customer", "/customers", `{"name":"Anton","currency":"USD"}`)
	h.make("p1", "/prices", `{"product_id":"{product}","currency":"EUR","amount":"9.5","valid_from":"2026-01-01","valid_to":"2026-06-30"}`)
	h.make("p2", "/prices", `{"product_id":"{product}","currency":"EUR","amount":"9","min_qty":"10","valid_from":"2026-01-01"}`)
	h.make("p3", "/prices", `{"product_id":"{product}","currency":"EUR","amount":"8","price_list":"dealer","valid_from":"2026-01-01"}`)
	h.make("p4", "/prices", `{"product_id":"{product}","currency":"USD","amount":"11","valid_from":"2026-01-01"}`)
	h.make("r1", "/currency-rates", `{"currency":"USD","date":"2026-01-01","rate":"0.9"}`)
	h.make("r2", "/currency-rates", `{"currency":"JPY","date":"2026-01-01","rate":"0.006"}`)
	at := "/products/{product}/price?at=2026-03-01"
	h.play([]scenario{
		{name: "one", method: "GET", path: at, status: 200, has: []string{`"amount":"9.5","currency":"EUR","on":"2026-03-01","quantity":"1","source":"price","price_id":"` + h.ids["p1"] + `","price_list":"standard","min_qty":"0","valid_from":"2026-01-01","valid_to":"2026-06-30"}`}},
		{name: "many", method: "GET", path: at + "&quantity=10.5", status: 200, has: []string{`"amount":"9"`, h.ids["p2"]}},
		{name: "of a list", method: "GET", path: at + "&quantity=10&price_list=dealer", status: 200, has: []string{`"amount":"8"`, `"source":"price"`}},
		{name: "of a list that has none", method: "GET", path: at + "&price_list=friends", status: 200, has: []string{`"amount":"9.5"`, `"source":"standard_price"`, `"price_list":"standard"`}},
		{name: "in the customer's currency", method: "GET", path: at + "&customer_id={customer}", status: 200, has: []string{`"amount":"11","currency":"USD"`}},
		{name: "but if another is named", method: "GET", path: at + "&customer_id={customer}&currency=EUR", status: 200, has: []string{`"amount":"9.5"`}},
		{name: "the product's own", method: "GET", path: "/products/{product}/price?at=2026-07-01", status: 200, has: []string{`"amount":"10.5"`, `"source":"list_price"`}, hasNot: []string{"price_id"}},
		{name: "none in a currency", method: "GET", path: at + "&currency=CNY", status: 404, has: []string{"problem:no-price", "in CNY for 1 on 2026-03-01"}},
		{name: "none at all", method: "GET", path: "/products/{bare}/price", status: 404, has: []string{"problem:no-price", "in CNY"}},
		{name: "no product", method: "GET", path: "/products/{customer}/price", status: 404, has: []string{"problem:not-found"}},
		{name: "no customer", method: "GET", path: at + "&customer_id={product}", status: 400, has: []string{`"parameter":"customer_id"`}},
		{name: "all faults at once", method: "GET", path: "/products/{product}/price?at=soon&quantity=-1&currency=euro&customer_id=x&price_list=", status: 400, has: []string{`"parameter":"price_list"`, `"parameter":"at"`, `"parameter":"quantity"`, `"parameter":"currency"`, `"parameter":"customer_id"`}},

		{name: "a rate", method: "GET", path: "/currency-rates/rate?from=USD&at=2026-03-01", status: 200, has: []string{`"from":"USD","to":"EUR","on":"2026-03-01","rate":"0.9","rates":[{"id":"` + h.ids["r1"] + `","currency":"USD","date":"2026-01-01","rate":"0.9"}]`}},
		{name: "a cross rate", method: "GET", path: "/currency-rates/rate?from=USD&to=JPY&at=2026-03-01", status: 200, has: []string{`"rate":"150"`, h.ids["r1"], h.ids["r2"]}},
		{name: "its own", method: "GET", path: "/currency-rates/rate?from=CNY&to=CNY", status: 200, has: []string{`"rate":"1","rates":[]`}},
		{name: "before there was one", method: "GET", path: "/currency-rates/rate?from=USD&at=2025-12-31", status: 404, has: []string{"problem:no-rate"}},
		{name: "of nothing", method: "GET", path: "/currency-rates/rate?to=usd&at=0000-01-01", status: 400, has: []string{`"parameter":"from","rule":"required"`, `"parameter":"to"`, `"parameter":"at"`}},
		{name: "no rate is called so", method: "PATCH", path: "/currency-rates/rate", body: "{}", status: 405, has: []string{"Allow: GET\r"}},
	})
}

func TestDocumentsGetRatesThatCameLater(t *testing.T) {
	t.Parallel()
	h := newHub(t) // in EUR
	h.make("customer", "/customers", `{"name":"Anton"}`)
	h.make("order", "/orders", `{"customer_id":"{customer}","date":"2026-03-01","currency":"USD","lines":[{"qty":"1","price":"100"}]}`)
	h.make("rate", "/currency-rates", `{"currency":"USD","date":"2026-02-01","rate":"0.9"}`)
	h.play([]scenario{
		{name: "what is missing", method: "GET", path: "/currency-rates/missing", status: 200, has: []string{`{"items":[{"entity":"order","currency":"USD","rate":"0.9","from":"2026-03-01","to":"2026-03-01","documents":1}]}`}},
		{name: "as it was", method: "GET", path: "/orders/{order}", status: 200, has: []string{`"rate_to_base":"1"`}},
		{name: "given", method: "POST", path: "/currency-rates/apply", status: 200, has: []string{`{"orders":1,"invoices":0,"opportunities":0,"more":false}`}},
		{name: "as it is", method: "GET", path: "/orders/{order}", status: 200, has: []string{`"rate_to_base":"0.9"`, `"version":2`}},
		{name: "nothing is missing", method: "GET", path: "/currency-rates/missing", status: 200, has: []string{`{"items":[]}`}},
	})
	f := newFirm(t)
	f.become(access.Role{Grants: []access.Grant{{Resource: "currency_rate", Action: access.Read, Scope: "organization"}}})
	f.as([]scenario{
		{name: "who may not keep rates", method: "GET", path: "/currency-rates/missing", status: 403, has: []string{`"permission":"currency_rate:update"`}},
		{name: "nor give them", method: "POST", path: "/currency-rates/apply", status: 403, has: []string{`"permission":"currency_rate:update"`}},
	})
}

func TestPricesAreShownToWhoSeesWhatTheyAreMadeOf(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	read := func(of ...access.Resource) (grants []access.Grant) {
		for _, r := range of {
			grants = append(grants, access.Grant{Resource: r, Action: access.Read, Scope: "organization"})
		}
		return grants
	}
	const price, rate = "/products/{product of nobody}/price?at=2026-03-01&currency=EUR", "/currency-rates/rate?from=USD"
	f.become(access.Role{Grants: read("product", "price")})
	f.as([]scenario{
		{name: "product and price", method: "GET", path: price, status: 200, has: []string{`"amount":"9.5"`}},
		{name: "no customer", method: "GET", path: "/products/{product of nobody}/price?customer_id={customer of me}", status: 403, has: []string{`"permission":"customer:read"`}},
		{name: "no rates", method: "GET", path: rate, status: 403, has: []string{`"permission":"currency_rate:read"`}},
	})
	f.become(access.Role{Grants: read("product")})
	f.as([]scenario{{name: "no price", method: "GET", path: price, status: 403, has: []string{`"permission":"price:read"`}}})
	for _, rule := range []access.FieldRule{{Resource: "price", Field: "amount", Access: access.FieldHidden}, {Resource: "product", Field: "list_price", Access: access.FieldMasked}} {
		f.become(access.Role{Grants: read("product", "price"), Fields: []access.FieldRule{rule}})
		f.as([]scenario{{name: "hidden " + rule.Field, method: "GET", path: price, status: 403, has: []string{rule.Field}, hasNot: []string{"9.5"}}})
	}
	f.become(access.Role{Grants: read("currency_rate"), Fields: []access.FieldRule{{Resource: "currency_rate", Field: "rate", Access: access.FieldHidden}}})
	f.as([]scenario{{name: "a hidden rate", method: "GET", path: rate, status: 403, has: []string{"the field rate"}}})
}
