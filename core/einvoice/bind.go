package einvoice

// The tax schemes of UBL.
const (
	vat      = "VAT"
	otherTax = "TAX"
)

// bind says where each term stands in UBL, in the order in which the schema wants the elements. It is the one table for
// reading and for writing.
func (v *Invoice) bind(b *binding) {
	b.text("cbc:CustomizationID", &v.Specification)
	b.text("cbc:ProfileID", &v.Process)
	b.text("cbc:ID", &v.Number)
	b.text("cbc:IssueDate", &v.IssueDate)
	if v.CreditNote {
		b.text("cbc:TaxPointDate", &v.TaxPointDate)
		b.text("cbc:CreditNoteTypeCode", &v.TypeCode)
	} else {
		b.text("cbc:DueDate", &v.DueDate)
		b.text("cbc:InvoiceTypeCode", &v.TypeCode)
	}
	each(b, "cbc:Note", &v.Notes, func(b *binding, n *string) { b.own(n) })
	if !v.CreditNote {
		b.text("cbc:TaxPointDate", &v.TaxPointDate)
	}
	b.text("cbc:DocumentCurrencyCode", &v.Currency)
	b.text("cbc:TaxCurrencyCode", &v.TaxCurrency)
	b.currency = v.Currency
	b.text("cbc:AccountingCost", &v.BuyerAccounting)
	b.text("cbc:BuyerReference", &v.BuyerReference)
	b.group("cac:InvoicePeriod", func(b *binding) {
		v.Period.bind(b)
		b.text("cbc:DescriptionCode", &v.TaxPointDateCode)
	})
	v.bindReferences(b)
	b.group("cac:AccountingSupplierParty", func(b *binding) { b.group("cac:Party", v.Seller.bind) })
	b.group("cac:AccountingCustomerParty", func(b *binding) { b.group("cac:Party", v.Buyer.bind) })
	b.group("cac:PayeeParty", v.Payee.bind)
	b.group("cac:TaxRepresentativeParty", v.TaxAgent.bind)
	b.group("cac:Delivery", v.Delivery.bind)
	v.bindPayment(b)
	each(b, "cac:AllowanceCharge", &v.Adjustments, func(b *binding, a *Adjustment) { a.bind(b) })
	v.bindTax(b)
	b.group("cac:LegalMonetaryTotal", v.Totals.bind)
	line := "cac:InvoiceLine"
	if v.CreditNote {
		line = "cac:CreditNoteLine"
	}
	each(b, line, &v.Lines, func(b *binding, l *Line) { l.bind(b, v.CreditNote) })
}

// Kinds of additional documents: what is invoiced, and in a credit note, which has no element for it, the project.
const (
	typeObject  = "130"
	typeProject = "50"
)

func (v *Invoice) bindReferences(b *binding) {
	reference := func(name string, id *string) {
		b.group(name, func(b *binding) { b.text("cbc:ID", id) })
	}
	tender := func() { reference("cac:OriginatorDocumentReference", &v.Tender) }
	b.group("cac:OrderReference", func(b *binding) {
		id := v.Order
		if b.writing() && id == "" && v.SalesOrder != "" {
			id = "NA" // the schema wants one
		}
		b.text("cbc:ID", &id)
		b.text("cbc:SalesOrderID", &v.SalesOrder)
		if !b.writing() {
			v.Order = id
		}
	})
	each(b, "cac:BillingReference", &v.Preceding, func(b *binding, p *Preceding) {
		b.group("cac:InvoiceDocumentReference", func(b *binding) {
			b.text("cbc:ID", &p.Number)
			b.text("cbc:IssueDate", &p.Date)
		})
	})
	reference("cac:DespatchDocumentReference", &v.Despatch)
	reference("cac:ReceiptDocumentReference", &v.Receipt)
	if !v.CreditNote {
		tender()
	}
	reference("cac:ContractDocumentReference", &v.Contract)
	typed := func(code string) func(*element) bool {
		return func(e *element) bool { return e.value("cbc:DocumentTypeCode") == code }
	}
	b.groupIf("cac:AdditionalDocumentReference", typed(typeObject), func(b *binding) {
		b.identifier("cbc:ID", "schemeID", &v.Object)
		b.mark("cbc:DocumentTypeCode", typeObject)
	})
	if v.CreditNote {
		b.groupIf("cac:AdditionalDocumentReference", typed(typeProject), func(b *binding) {
			b.text("cbc:ID", &v.Project)
			b.mark("cbc:DocumentTypeCode", typeProject)
		})
	}
	eachIf(b, "cac:AdditionalDocumentReference", typed(""), &v.Documents, func(b *binding, d *Document) { d.bind(b) })
	if v.CreditNote {
		tender()
	} else {
		reference("cac:ProjectReference", &v.Project)
	}
}

func (d *Document) bind(b *binding) {
	b.text("cbc:ID", &d.ID)
	b.text("cbc:DocumentDescription", &d.Description)
	b.group("cac:Attachment", func(b *binding) {
		b.group("cbc:EmbeddedDocumentBinaryObject", func(b *binding) {
			b.attr("mimeCode", &d.MediaType)
			b.attr("filename", &d.File)
			b.own(&d.Content)
		})
		b.group("cac:ExternalReference", func(b *binding) { b.text("cbc:URI", &d.URI) })
	})
}

func (p *Period) bind(b *binding) {
	b.text("cbc:StartDate", &p.From)
	b.text("cbc:EndDate", &p.To)
}

func (p *Party) bind(b *binding) {
	b.identifier("cbc:EndpointID", "schemeID", &p.Endpoint)
	identifiers(b, &p.IDs)
	b.group("cac:PartyName", func(b *binding) { b.text("cbc:Name", &p.TradingName) })
	b.group("cac:PostalAddress", p.Address.bind)
	taxScheme(b, vat, &p.TaxNumber)
	taxScheme(b, otherTax, &p.LocalNumber)
	b.group("cac:PartyLegalEntity", func(b *binding) {
		b.text("cbc:RegistrationName", &p.Name)
		b.identifier("cbc:CompanyID", "schemeID", &p.Registration)
		b.text("cbc:CompanyLegalForm", &p.LegalForm)
	})
	b.group("cac:Contact", func(b *binding) {
		b.text("cbc:Name", &p.Contact.Name)
		b.text("cbc:Telephone", &p.Contact.Phone)
		b.text("cbc:ElectronicMail", &p.Contact.Email)
	})
}

func identifiers(b *binding, ids *[]Identifier) {
	each(b, "cac:PartyIdentification", ids, func(b *binding, id *Identifier) { b.identifier("cbc:ID", "schemeID", id) })
}

// taxScheme binds the number of a party at the tax office, as payer of VAT or otherwise.
func taxScheme(b *binding, scheme string, id *string) {
	b.groupIf("cac:PartyTaxScheme", func(e *element) bool { return isVAT(e) == (scheme == vat) }, func(b *binding) {
		b.text("cbc:CompanyID", id)
		b.scheme(scheme)
	})
}

func (a *Address) bind(b *binding) {
	b.text("cbc:StreetName", &a.Street)
	b.text("cbc:AdditionalStreetName", &a.Addition)
	b.text("cbc:CityName", &a.City)
	b.text("cbc:PostalZone", &a.Postcode)
	b.text("cbc:CountrySubentity", &a.Province)
	b.group("cac:AddressLine", func(b *binding) { b.text("cbc:Line", &a.Third) })
	b.group("cac:Country", func(b *binding) { b.text("cbc:IdentificationCode", &a.Country) })
}

func (p *Payee) bind(b *binding) {
	identifiers(b, &p.IDs)
	b.group("cac:PartyName", func(b *binding) { b.text("cbc:Name", &p.Name) })
	b.group("cac:PartyLegalEntity", func(b *binding) { b.identifier("cbc:CompanyID", "schemeID", &p.Registration) })
}

func (t *TaxAgent) bind(b *binding) {
	b.group("cac:PartyName", func(b *binding) { b.text("cbc:Name", &t.Name) })
	b.group("cac:PostalAddress", t.Address.bind)
	taxScheme(b, vat, &t.TaxNumber)
}

func (d *Delivery) bind(b *binding) {
	b.text("cbc:ActualDeliveryDate", &d.Date)
	b.group("cac:DeliveryLocation", func(b *binding) {
		b.identifier("cbc:ID", "schemeID", &d.Location)
		b.group("cac:Address", d.Address.bind)
	})
	b.group("cac:DeliveryParty", func(b *binding) {
		b.group("cac:PartyName", func(b *binding) { b.text("cbc:Name", &d.Name) })
	})
}

// bindPayment: a credit note has no element for the day by which it is due but that of a way to pay.
func (v *Invoice) bindPayment(b *binding) {
	first := true
	each(b, "cac:PaymentMeans", &v.Payment, func(b *binding, p *Payment) {
		b.group("cbc:PaymentMeansCode", func(b *binding) {
			b.attr("name", &p.Text)
			b.own(&p.Code)
		})
		if v.CreditNote && first {
			b.text("cbc:PaymentDueDate", &v.DueDate)
		}
		first = false
		p.bind(b)
	})
	b.group("cac:PaymentTerms", func(b *binding) { b.text("cbc:Note", &v.Terms) })
}

func (p *Payment) bind(b *binding) {
	b.text("cbc:PaymentID", &p.Reference)
	b.group("cac:CardAccount", func(b *binding) {
		b.text("cbc:PrimaryAccountNumberID", &p.Card.Number)
		b.text("cbc:NetworkID", &p.Card.Network)
		b.text("cbc:HolderName", &p.Card.Holder)
	})
	b.group("cac:PayeeFinancialAccount", func(b *binding) {
		b.text("cbc:ID", &p.Account)
		b.text("cbc:Name", &p.AccountName)
		b.group("cac:FinancialInstitutionBranch", func(b *binding) { b.text("cbc:ID", &p.Bank) })
	})
	b.group("cac:PaymentMandate", func(b *binding) {
		b.text("cbc:ID", &p.Mandate)
		b.group("cac:PayerFinancialAccount", func(b *binding) { b.text("cbc:ID", &p.DebitedAccount) })
	})
}

// bind is that of a document's adjustments and of a line's, which have no tax of their own.
func (a *Adjustment) bind(b *binding) {
	b.flag("cbc:ChargeIndicator", &a.Charge)
	b.text("cbc:AllowanceChargeReasonCode", &a.ReasonCode)
	b.text("cbc:AllowanceChargeReason", &a.Reason)
	b.number("cbc:MultiplierFactorNumeric", &a.Percent)
	b.amount("cbc:Amount", &a.Amount)
	b.amount("cbc:BaseAmount", &a.Base)
	a.Category.bind(b, "cac:TaxCategory")
}

func (t *Tax) bind(b *binding, name string, more ...func(*binding)) {
	b.group(name, func(b *binding) {
		b.text("cbc:ID", &t.Category)
		b.number("cbc:Percent", &t.Rate)
		for _, f := range more {
			f(b)
		}
		b.scheme(vat)
	})
}

// bindTax: the total in the invoice's currency has the shares, that in the currency of the books is alone.
func (v *Invoice) bindTax(b *binding) {
	in := func(e *element) string {
		currency, _ := e.first("cbc:TaxAmount").attr("currencyID")
		return currency
	}
	local := func(e *element) bool {
		return v.TaxCurrency != "" && v.TaxCurrency != v.Currency && in(e) == v.TaxCurrency
	}
	b.groupIf("cac:TaxTotal", func(e *element) bool { return !local(e) }, func(b *binding) {
		b.amount("cbc:TaxAmount", &v.Tax)
		each(b, "cac:TaxSubtotal", &v.Taxes, func(b *binding, s *TaxShare) {
			b.amount("cbc:TaxableAmount", &s.Taxable)
			b.amount("cbc:TaxAmount", &s.Amount)
			s.Category.bind(b, "cac:TaxCategory", func(b *binding) {
				b.text("cbc:TaxExemptionReasonCode", &s.ExemptionReasonCode)
				b.text("cbc:TaxExemptionReason", &s.ExemptionReason)
			})
		})
	})
	b.groupIf("cac:TaxTotal", local, func(b *binding) {
		b.currency = v.TaxCurrency
		b.amount("cbc:TaxAmount", &v.LocalTax)
	})
}

func (t *Totals) bind(b *binding) {
	b.amount("cbc:LineExtensionAmount", &t.Lines)
	b.amount("cbc:TaxExclusiveAmount", &t.Untaxed)
	b.amount("cbc:TaxInclusiveAmount", &t.Total)
	b.amount("cbc:AllowanceTotalAmount", &t.Allowances)
	b.amount("cbc:ChargeTotalAmount", &t.Charges)
	b.amount("cbc:PrepaidAmount", &t.Prepaid)
	b.amount("cbc:PayableRoundingAmount", &t.Rounding)
	b.amount("cbc:PayableAmount", &t.Payable)
}

func (l *Line) bind(b *binding, creditNote bool) {
	quantity := "cbc:InvoicedQuantity"
	if creditNote {
		quantity = "cbc:CreditedQuantity"
	}
	b.text("cbc:ID", &l.ID)
	b.text("cbc:Note", &l.Note)
	b.quantity(quantity, &l.Quantity, &l.Unit)
	b.amount("cbc:LineExtensionAmount", &l.Untaxed)
	b.text("cbc:AccountingCost", &l.Accounting)
	b.group("cac:InvoicePeriod", l.Period.bind)
	b.group("cac:OrderLineReference", func(b *binding) { b.text("cbc:LineID", &l.OrderLine) })
	b.group("cac:DocumentReference", func(b *binding) {
		b.identifier("cbc:ID", "schemeID", &l.Object)
		b.mark("cbc:DocumentTypeCode", typeObject)
	})
	each(b, "cac:AllowanceCharge", &l.Adjustments, func(b *binding, a *Adjustment) { a.bind(b) })
	b.group("cac:Item", l.bindItem)
	b.group("cac:Price", l.Price.bind)
}

func (l *Line) bindItem(b *binding) {
	b.text("cbc:Description", &l.Description)
	b.text("cbc:Name", &l.Name)
	b.group("cac:BuyersItemIdentification", func(b *binding) { b.text("cbc:ID", &l.BuyersID) })
	b.group("cac:SellersItemIdentification", func(b *binding) { b.text("cbc:ID", &l.SellersID) })
	b.group("cac:StandardItemIdentification", func(b *binding) { b.identifier("cbc:ID", "schemeID", &l.StandardID) })
	b.group("cac:OriginCountry", func(b *binding) { b.text("cbc:IdentificationCode", &l.Origin) })
	each(b, "cac:CommodityClassification", &l.Classes, func(b *binding, c *Identifier) {
		b.identifier("cbc:ItemClassificationCode", "listID", c)
	})
	l.Tax.bind(b, "cac:ClassifiedTaxCategory")
	each(b, "cac:AdditionalItemProperty", &l.Attributes, func(b *binding, a *Attribute) {
		b.text("cbc:Name", &a.Name)
		b.text("cbc:Value", &a.Value)
	})
}

func (p *Price) bind(b *binding) {
	b.amount("cbc:PriceAmount", &p.Net)
	b.quantity("cbc:BaseQuantity", &p.Base, &p.BaseUnit)
	b.group("cac:AllowanceCharge", func(b *binding) {
		b.mark("cbc:ChargeIndicator", "false")
		b.amount("cbc:Amount", &p.Discount)
		b.amount("cbc:BaseAmount", &p.Gross)
	})
}
