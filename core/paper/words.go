package paper

import (
	"strings"
	"unicode"

	"crmhub/core/crm"
)

// words are what documents say in a language.
type words struct {
	order, customer, shipTo, invoiceTitle, taxNo                  string
	date, clientRef, promised, paymentTerm                        string
	issued, due, fapiaoType, residual, copied                     string
	position, description, qty, unit, price, discount, rate, line string
	untaxed, tax, taxOn, total, instalments, page                 string

	kinds map[string]string // of invoices
	marks map[string]string // what a document says of its status, where it is not what it looks like
}

func wordsOf(lang Language) words {
	if lang == Chinese {
		return words{
			order: "订单", customer: "客户", shipTo: "收货地址", invoiceTitle: "发票抬头", taxNo: "税号",
			date: "日期", clientRef: "客户单号", promised: "承诺交期", paymentTerm: "付款条件",
			issued: "开票日期", due: "到期日", fapiaoType: "发票类型", residual: "未付金额", copied: "副本：以财务系统中的发票为准。",
			position: "序号", description: "品名与说明", qty: "数量", unit: "单位", price: "单价", discount: "折扣 %", rate: "税率 %", line: "金额",
			untaxed: "不含税金额", tax: "税额", taxOn: "税额 %s%%（计税金额 %s）", total: "价税合计", instalments: "付款计划", page: "第 %d 页，共 %d 页",
			kinds: map[string]string{"invoice": "发票", "credit_note": "红字发票"},
			marks: map[string]string{"draft": "草稿", "submitted": "待审批", "cancelled": "已取消", "credited_full": "已全额红冲", "credited_partial": "已部分红冲"},
		}
	}
	return words{
		order: "Order", customer: "Customer", shipTo: "Ship to", invoiceTitle: "Invoice title", taxNo: "Tax no.",
		date: "Date", clientRef: "Your reference", promised: "Promised for", paymentTerm: "Payment term",
		issued: "Date of issue", due: "Due", fapiaoType: "Type of fapiao", residual: "Still to be paid", copied: "A copy: the invoice in the finance system is the original.",
		position: "No.", description: "Description", qty: "Quantity", unit: "Unit", price: "Price", discount: "Disc. %", rate: "Tax %", line: "Amount",
		untaxed: "Untaxed", tax: "Tax", taxOn: "Tax %s %% on %s", total: "Total", instalments: "To be paid", page: "Page %d of %d",
		kinds: map[string]string{"invoice": "Invoice", "credit_note": "Credit note"},
		marks: map[string]string{"draft": "Draft", "submitted": "Not confirmed", "cancelled": "Cancelled", "credited_full": "Credited", "credited_partial": "Credited in part"},
	}
}

// writtenAddress writes an address from the small to the large, and a Chinese one the other way round on one line.
func writtenAddress(a *crm.Address) []string {
	if a == nil {
		return nil
	}
	if strings.ContainsFunc(a.Province+a.City+a.District+a.Street, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		province := a.Province
		if strings.TrimSuffix(province, "市") == strings.TrimSuffix(a.City, "市") {
			province = "" // 上海市 is both
		}
		return []string{province + a.City + a.District + a.Street, a.Postcode}
	}
	return []string{a.Street, a.District, strings.TrimSpace(a.Postcode + " " + a.City), strings.Trim(a.Province+", "+a.Country, ", ")}
}
