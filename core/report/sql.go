package report

import "crmhub/core/crm"

// The parts that the facts of several reports have in common; the document is always d. An order counts once somebody
// confirmed it, an invoice once it was issued. The indexes and triggers of the migrations have the same conditions, word for
// word. Of what counts booked_documents and invoiced_documents hold what is added up.
const (
	invoiceCounts = `d.deleted_at is null and d.status not in ('draft', 'cancelled')`

	documentFilter = `(@owner_id::uuid is null or d.owner_id = @owner_id::uuid)
	and (@customer_id::uuid is null or d.customer_id = @customer_id::uuid)
	and (@currency::text is null or d.currency = @currency::text)`

	// documentCurrency is that of the amounts of [amount].
	documentCurrency = `case when @per_currency::boolean then d.currency::text else @base::text end`
)

// bookedAmount is the untaxed amount of a document or line that is kept beside orders or invoices, as [amount] has it.
const bookedAmount = `case when @per_currency::boolean then d.untaxed else d.base end`

// amount is an amount of the document as the caller wants it: in the base currency at the document's rate, rounded as
// amounts of that currency are, or as it stands there. It is rounded document by document, so that rows add up to sums.
func amount(column string) string {
	return `round(` + column + ` * case when @per_currency::boolean then 1 else d.rate_to_base end, @digits::integer)`
}

// stored is amount of a column, or a sum of columns, with no more decimals than documents are stored with.
func stored(column string) string {
	return `case when @per_currency::boolean then ` + column + ` else ` + amount(column) + ` end`
}

// dimension is a way to group documents.
type dimension struct {
	key    Column
	sql    string // the key of a document d
	join   string // what sql needs besides
	label  string // names the key of the row g
	inLine bool   // it is a line that has the key
	order  string // of the rows, if not the greatest first
}

// dimensions are the ways to group documents by what they, their customers or their lines are.
func dimensions(date string) map[string]dimension {
	// A document of the period before counts in the month it is compared with.
	dated := `case when ` + date + ` < @from::date
		then (` + date + ` + make_interval(months => @shift_months::integer, days => @shift_days::integer)) else ` + date + ` end`
	const bill = `
left join customer_regions a on a.customer_id = d.customer_id`
	return map[string]dimension{
		"month": {
			key: Column{Name: "month", Type: TypeMonth, Title: Text{"Month", "月份"}},
			sql: `date_trunc('month', (` + dated + `)::timestamp)::date`, order: "key",
		},
		"owner": {
			key: Column{Name: "owner", Type: TypeID, Title: Text{"Owner", "负责人"}},
			sql: `d.owner_id`, label: ownerName,
		},
		"customer": {
			key: Column{Name: "customer", Type: TypeID, Title: Text{"Customer", "客户"}},
			sql: `d.customer_id`, label: customerName,
		},
		"currency": {
			key: Column{Name: "document_currency", Type: TypeText, Title: Text{"Currency of the documents", "单据币种"}},
			sql: `d.currency::text`,
		},
		"country": {
			key: Column{Name: "country", Type: TypeText, Title: Text{"Country of the bill address", "账单地址国家"}},
			sql: `a.country`, join: bill,
		},
		"province": {
			key: Column{Name: "province", Type: TypeText, Title: Text{"Country and province of the bill address", "账单地址国家与省份"}},
			sql: `a.country || coalesce('/' || a.province, '')`, join: bill,
		},
		"product": {
			key: Column{Name: "product", Type: TypeID, Title: Text{"Product", "产品"}},
			sql: `d.product_id`, label: productName, inLine: true,
		},
		"category": {
			key: Column{Name: "category", Type: TypeText, Title: Text{"Category of the product", "产品类别"}},
			sql: `nullif(p.category, '')`, join: `
left join products p on p.id = d.product_id`, inLine: true,
		},
	}
}

// How keys are named for people.
const (
	customerName = `(select c.name from customers c where c.id = g.key)`
	ownerName    = `(select u.name from users u where u.id = g.key)`
	productName  = `(select p.name from products p where p.id = g.key)`
)

// What the rows behind a number show of a document.
func documentColumns() []Column {
	return []Column{
		{Name: "number", Type: TypeText, Title: Text{"Number", "编号"}},
		{Name: "date", Type: TypeDate, Title: Text{"Date", "日期"}},
		{Name: "customer_id", Type: TypeID, Title: Text{"Customer", "客户"}},
	}
}

// customerOf is the field of documents that says whose they are: reports about customers tell it even where they add up.
func customerOf(kinds ...crm.Kind) map[crm.Kind][]string {
	fields := map[crm.Kind][]string{}
	for _, kind := range kinds {
		fields[kind] = []string{"customer_id"}
	}
	return fields
}

func measure(name string, t Type, en, zh string) Column {
	return Column{Name: name, Type: t, Title: Text{en, zh}}
}

func derived(name string, t Type, en, zh, sql string) Column {
	return Column{Name: name, Type: t, Title: Text{en, zh}, Derived: true, sql: sql}
}
