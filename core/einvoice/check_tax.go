package einvoice

import (
	"strings"

	"github.com/shopspring/decimal"
)

// category is a category of VAT (UNCL 5305) with what EN 16931 asks of it. The rules of a category are numbered alike:
// -01 is its share of the breakdown, -02 to -04 the tax numbers that lines, allowances and charges need, -05 to -07 their
// rates, -08 to -10 taxable amount, tax and exemption of the share.
type category struct {
	code      string
	rules     string // how the rules begin
	name      Text
	rate      rateRule
	byRate    bool // there is a share for each rate
	exemption bool // no tax is due, and a reason must be given; otherwise none may
	numbers   func(*parties) bool
}

type rateRule int

const (
	above rateRule = iota
	zero
	notBelow
	none
)

// parties are the tax numbers that an invoice has.
type parties struct {
	sellerAny, sellerVAT, agentVAT, buyerVAT, buyerRegistration bool
}

func sellerTaxed(p *parties) bool { return p.sellerAny || p.agentVAT }

func sellerVAT(p *parties) bool { return p.sellerVAT || p.agentVAT }

var categories = []category{ //nolint:gochecknoglobals // a table
	{"S", "BR-S-", Text{"standard rated", "标准税率"}, above, true, false, sellerTaxed},
	{"Z", "BR-Z-", Text{"zero rated", "零税率"}, zero, false, false, sellerTaxed},
	{"E", "BR-E-", Text{"exempt from VAT", "免税"}, zero, false, true, sellerTaxed},
	{"AE", "BR-AE-", Text{"under reverse charge", "反向征收"}, zero, false, true, func(p *parties) bool {
		return sellerTaxed(p) && (p.buyerVAT || p.buyerRegistration)
	}},
	{"K", "BR-IC-", Text{"intra-community supply", "欧盟内部供货"}, zero, false, true, func(p *parties) bool { return sellerVAT(p) && p.buyerVAT }},
	{"G", "BR-G-", Text{"export outside the EU", "出口至欧盟以外"}, zero, false, true, sellerVAT},
	{"O", "BR-O-", Text{"not subject to VAT", "不征税"}, none, false, true, func(p *parties) bool { return !p.sellerVAT && !p.agentVAT && !p.buyerVAT }},
	{"L", "BR-AF-", Text{"IGIC", "IGIC（加那利群岛）"}, notBelow, true, false, sellerTaxed},
	{"M", "BR-AG-", Text{"IPSI", "IPSI（休达与梅利利亚）"}, notBelow, true, false, sellerTaxed},
}

// categoryOf returns the category that a rule is about, nil if it is about none.
func categoryOf(id string) *category {
	for i := range categories {
		if strings.HasPrefix(id, categories[i].rules) {
			return &categories[i]
		}
	}
	return nil
}

// taxed is an element with a category: of a line, an allowance or charge, or a share of the breakdown.
type taxed struct {
	at  *element
	vat bool // its scheme is VAT
}

// taxation is where each category is used.
type taxation struct {
	lines, allowances, charges, shares, other map[string][]taxed
	sums                                      map[share]decimal.Decimal // what lines, allowances and charges come to
}

// share is a category, and a rate where the category has shares by rate.
type share struct{ code, rate string }

func (c *check) taxes() {
	t := c.taxation()
	p := c.parties()
	for i := range categories {
		c.category(&categories[i], t, p)
	}
	c.intraCommunity(t)
	c.notSubject(t)
	c.splitPayment()
}

func (c *check) parties() *parties {
	var p parties
	for _, s := range c.root.all("cac:AccountingSupplierParty", "cac:Party", "cac:PartyTaxScheme") {
		if s.has("cbc:CompanyID") {
			p.sellerAny = true
			p.sellerVAT = p.sellerVAT || isVAT(s)
		}
	}
	for _, s := range c.root.all("cac:TaxRepresentativeParty", "cac:PartyTaxScheme") {
		p.agentVAT = p.agentVAT || s.has("cbc:CompanyID") && isVAT(s)
	}
	for _, s := range c.root.all("cac:AccountingCustomerParty", "cac:Party", "cac:PartyTaxScheme") {
		p.buyerVAT = p.buyerVAT || s.has("cbc:CompanyID") && isVAT(s)
	}
	p.buyerRegistration = c.root.has("cac:AccountingCustomerParty", "cac:Party", "cac:PartyLegalEntity", "cbc:CompanyID")
	return &p
}

func (c *check) taxation() *taxation {
	t := &taxation{
		lines: map[string][]taxed{}, allowances: map[string][]taxed{}, charges: map[string][]taxed{}, shares: map[string][]taxed{},
		other: map[string][]taxed{}, sums: map[share]decimal.Decimal{},
	}
	add := func(to map[string][]taxed, e *element) {
		code := e.value("cbc:ID")
		to[code] = append(to[code], taxed{e, isVAT(e)})
	}
	for _, e := range c.named["cac:ClassifiedTaxCategory"] {
		add(t.lines, e)
	}
	for _, e := range c.named["cac:TaxCategory"] {
		switch {
		case e.parent.name == "cac:TaxSubtotal" && e.parent.parent.name == "cac:TaxTotal" && e.parent.parent.parent == c.root:
			add(t.shares, e)
		case e.parent.name != "cac:AllowanceCharge":
			add(t.other, e)
		case isTrue(e.parent.first("cbc:ChargeIndicator")):
			add(t.charges, e)
		default:
			add(t.allowances, e)
		}
	}
	for _, l := range c.lines {
		t.sum(l.all("cac:Item", "cac:ClassifiedTaxCategory"), l.number("cbc:LineExtensionAmount").Decimal)
	}
	for _, a := range c.root.all("cac:AllowanceCharge") {
		amount := a.number("cbc:Amount").Decimal
		if !isTrue(a.first("cbc:ChargeIndicator")) {
			amount = amount.Neg()
		}
		t.sum(a.all("cac:TaxCategory"), amount)
	}
	return t
}

// sum adds an amount to each share it belongs to: one, in a sound document.
func (t *taxation) sum(categories []*element, amount decimal.Decimal) {
	seen := map[share]bool{}
	for _, e := range categories {
		code := e.value("cbc:ID")
		for _, s := range []share{{code, ""}, {code, rateOf(e)}} {
			if !seen[s] {
				seen[s] = true
				t.sums[s] = t.sums[s].Add(amount)
			}
		}
	}
}

// rateOf is the rate of a category as a key: 19, 19.0 and 19.00 are one.
func rateOf(e *element) string {
	if rate := e.number("cbc:Percent"); rate.Valid {
		return rate.Decimal.String()
	}
	return "none"
}

func (c *check) category(k *category, t *taxation, p *parties) {
	c.breakdown(k, t)
	needs := func(used []taxed, id string) {
		at := anyVAT(used)
		switch {
		case at != nil:
			c.must(k.numbers(p), k.rules+id, at)
		case k.code == "S" && id == "02" && len(used) > 0: // a line of standard rate is one of VAT
			c.must(false, k.rules+id, used[0].at)
		}
	}
	needs(t.lines[k.code], "02")
	needs(t.allowances[k.code], "03")
	needs(t.charges[k.code], "04")
	rates := func(used []taxed, id string) {
		for _, u := range used {
			c.must(!u.vat || k.rate.allows(u.at), k.rules+id, u.at)
		}
	}
	rates(t.lines[k.code], "05")
	rates(t.allowances[k.code], "06")
	rates(t.charges[k.code], "07")
	for _, s := range t.shares[k.code] {
		if s.vat {
			c.share(k, s.at, t)
		}
	}
}

// breakdown: what has a category has a share, and the other way round.
func (c *check) breakdown(k *category, t *taxation) {
	count := func(used []taxed) (n int) {
		for _, u := range used {
			if u.vat || k.code == "S" {
				n++
			}
		}
		return n
	}
	used := count(t.lines[k.code]) + count(t.allowances[k.code]) + count(t.charges[k.code])
	shares := count(t.shares[k.code])
	if k.byRate {
		c.must((used > 0) == (shares > 0), k.rules+"01", c.root)
	} else {
		c.must(used+shares+count(t.other[k.code]) == 0 || shares == 1, k.rules+"01", c.root)
	}
}

func (r rateRule) allows(e *element) bool {
	rate := e.number("cbc:Percent")
	switch r {
	case none:
		return !e.has("cbc:Percent")
	case zero:
		return rate.Valid && rate.Decimal.IsZero()
	case notBelow:
		return rate.Valid && !rate.Decimal.IsNegative()
	default:
		return rate.Valid && rate.Decimal.IsPositive()
	}
}

// share judges one of the breakdown.
func (c *check) share(k *category, e *element, t *taxation) {
	taxable, tax := e.parent.number("cbc:TaxableAmount"), e.parent.number("cbc:TaxAmount")
	if k.byRate {
		if rate := e.number("cbc:Percent"); rate.Valid {
			sum, ok := t.sums[share{k.code, rateOf(e)}]
			c.must(ok && len(c.lines) > 0 && taxable.Valid && near(taxable.Decimal, sum), k.rules+"08", e.parent)
		}
		c.must(taxFits(taxable, tax, e.number("cbc:Percent")), k.rules+"09", e.parent)
	} else {
		c.must(len(c.lines) > 0 && taxable.Valid && taxable.Decimal.Equal(t.sums[share{k.code, ""}]), k.rules+"08", e.parent)
		c.must(tax.Valid && tax.Decimal.IsZero(), k.rules+"09", e.parent)
	}
	reason := e.has("cbc:TaxExemptionReason") || e.has("cbc:TaxExemptionReasonCode")
	c.must(reason == k.exemption, k.rules+"10", e.parent)
}

func one() decimal.Decimal { return decimal.NewFromInt(1) }

// near allows for what rounding line by line may come to: less than one unit of the currency.
func near(a, b decimal.Decimal) bool { return a.Sub(b).Abs().LessThan(one()) }

// taxFits says whether a tax is the taxable amount times the rate, but for the rounding that is allowed.
func taxFits(taxable, tax, rate Amount) bool {
	if !taxable.Valid || !tax.Valid || !rate.Valid {
		return false
	}
	due := round(taxable.Decimal.Abs().Mul(rate.Decimal).Shift(-2), 2)
	return near(tax.Decimal.Abs(), due)
}

// round rounds half towards plus infinity, as XPath does.
func round(d decimal.Decimal, digits int32) decimal.Decimal {
	return d.Shift(digits).Add(decimal.New(5, -1)).Floor().Shift(-digits)
}

func anyVAT(used []taxed) *element {
	for _, u := range used {
		if u.vat {
			return u.at
		}
	}
	return nil
}

func (c *check) intraCommunity(t *taxation) {
	at := anyVAT(t.shares["K"])
	if at == nil {
		return
	}
	period := false
	for _, p := range c.root.all("cac:InvoicePeriod") {
		period = period || len(p.children) > 0
	}
	c.must(period || len(c.root.value("cac:Delivery", "cbc:ActualDeliveryDate")) > 1, "BR-IC-11", at.parent)
	c.must(len(c.root.value("cac:Delivery", "cac:DeliveryLocation", "cac:Address", "cac:Country", "cbc:IdentificationCode")) > 1, "BR-IC-12", at.parent)
}

// notSubject: what is outside of VAT stands alone.
func (c *check) notSubject(t *taxation) {
	if anyVAT(t.shares["O"]) == nil {
		return
	}
	alone := func(used map[string][]taxed, id string) {
		for code, list := range used {
			for _, u := range list {
				c.must(code == "O" || !u.vat, id, u.at)
			}
		}
	}
	alone(t.shares, "BR-O-11")
	alone(t.lines, "BR-O-12")
	alone(t.allowances, "BR-O-13")
	alone(t.charges, "BR-O-14")
}

func (c *check) splitPayment() {
	var split, splitHere, standard *element
	for _, name := range []string{"cac:TaxCategory", "cac:ClassifiedTaxCategory"} {
		for _, e := range c.named[name] {
			document := name == "cac:ClassifiedTaxCategory" || e.parent.parent == c.root || e.parent.name == "cac:TaxSubtotal"
			switch code := e.value("cbc:ID"); {
			case code == "B":
				split = e
				if document {
					splitHere = e
				}
			case code == "S" && document:
				standard = e
			}
		}
	}
	if split == nil {
		return
	}
	for _, country := range c.named["cbc:IdentificationCode"] {
		c.must(country.value() == "IT", "BR-B-01", country)
	}
	c.must(splitHere == nil || standard == nil, "BR-B-02", c.root)
}
