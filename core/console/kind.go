package console

import (
	"strings"
	"sync"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// view is how the console shows a kind: where, and what first. What its fields are the store says ([crm.Fields]); a kind
// without a line here has pages too, with its first fields.
type view struct {
	kind    crm.Kind
	icon    string
	title   []string   // fields that name a record: the first that is not empty
	badges  []string   // states, beside the title and coloured in lists
	columns []string   // of its list, unless the reader chose others
	filters []string   // offered above its list
	related []relation // what refers to a record, on its page
}

// relation is a kind whose field names a record.
type relation struct {
	kind   crm.Kind
	field  string
	newest string // what its rows are sorted by, from the highest down
}

// views are how the kinds are shown, by kind.
var views = sync.OnceValue(func() map[crm.Kind]view { //nolint:gochecknoglobals // a table, never written again
	all := map[crm.Kind]view{}
	for _, w := range []view{
		{
			kind: crm.KindCustomer, icon: "building", title: []string{"name"}, badges: []string{"lifecycle"},
			columns: []string{"name", "code", "lifecycle", "level", "owner_id", "next_contact_at", "updated_at"},
			filters: []string{"lifecycle", "level", "owner_id"},
		},
		{
			kind: crm.KindContact, icon: "person", title: []string{"name"},
			columns: []string{"name", "title", "mobile", "email", "owner_id", "updated_at"}, filters: []string{"opt_out", "owner_id"},
			related: []relation{{crm.KindActivity, "contact_id", "at"}, {crm.KindOpportunity, "primary_contact_id", "updated_at"}, {crm.KindTicket, "contact_id", "updated_at"}},
		},
		{
			kind: crm.KindOpportunity, icon: "target", title: []string{"name"}, badges: []string{"status"},
			columns: []string{"name", "customer_id", "stage", "status", "amount", "expected_close", "owner_id"},
			filters: []string{"status", "forecast_category", "owner_id"},
			related: []relation{
				{crm.KindActivity, "opportunity_id", "at"},
				{crm.KindTask, "opportunity_id", "due_at"},
				{crm.KindOrder, "opportunity_id", "date"},
				{crm.KindContract, "opportunity_id", "updated_at"},
			},
		},
		{
			kind: crm.KindOrder, icon: "cart", title: []string{"number"}, badges: []string{"status", "delivery_status", "billing_status", "payment_status"},
			columns: []string{"number", "customer_id", "date", "status", "delivery_status", "payment_status", "total", "updated_at"},
			filters: []string{"status", "delivery_status", "payment_status", "owner_id"},
			related: []relation{{crm.KindInvoice, "order_id", "issue_date"}, {crm.KindContract, "order_id", "updated_at"}, {crm.KindTicket, "order_id", "updated_at"}},
		},
		{
			kind: crm.KindContract, icon: "scroll", title: []string{"name"}, badges: []string{"status"},
			columns: []string{"number", "name", "customer_id", "status", "amount", "end_date", "owner_id"}, filters: []string{"status", "owner_id"},
		},
		{
			kind: crm.KindInvoice, icon: "receipt", title: []string{"number"}, badges: []string{"status", "payment_status"},
			columns: []string{"number", "customer_id", "issue_date", "due_date", "payment_status", "total", "residual", "updated_at"},
			filters: []string{"payment_status", "status", "kind"},
		},
		{
			kind: crm.KindPayment, icon: "coins", title: []string{"number"}, badges: []string{"status"},
			columns: []string{"number", "customer_id", "date", "method", "status", "amount"}, filters: []string{"status"},
		},
		{
			kind: crm.KindProduct, icon: "box", title: []string{"name"}, badges: nil,
			columns: []string{"name", "sku", "product_category_id", "unit", "list_price", "tax_rate", "is_active"}, filters: []string{"is_active"},
			related: []relation{{crm.KindPrice, "product_id", "valid_from"}},
		},
		{
			kind: crm.KindProductCategory, icon: "box", title: []string{"name"},
			columns: []string{"name", "code", "parent_id", "updated_at"},
			related: []relation{{crm.KindProductCategory, "parent_id", "updated_at"}, {crm.KindProduct, "product_category_id", "updated_at"}},
		},
		{
			kind: crm.KindPrice, icon: "tag", title: []string{"price_list"},
			columns: []string{"price_list", "product_id", "amount", "min_qty", "valid_from", "valid_to"},
		},
		{
			kind: crm.KindCampaign, icon: "horn", title: []string{"name"}, badges: []string{"status"},
			columns: []string{"name", "kind", "status", "start_date", "end_date", "budget", "owner_id"}, filters: []string{"status", "kind", "owner_id"},
			related: []relation{{crm.KindCampaignMember, "campaign_id", "updated_at"}, {crm.KindOpportunity, "campaign_id", "updated_at"}},
		},
		{
			kind: crm.KindCampaignMember, icon: "people", title: []string{"contact_id", "customer_id"}, badges: []string{"status"},
			columns: []string{"contact_id", "customer_id", "campaign_id", "status", "responded_at"}, filters: []string{"status"},
		},
		{
			kind: crm.KindSegment, icon: "people", title: []string{"name"},
			columns: []string{"name", "subject", "kind", "owner_id", "updated_at"}, filters: []string{"subject", "kind"},
			related: []relation{{crm.KindCampaign, "segment_id", "updated_at"}},
		},
		{
			kind: crm.KindTicket, icon: "lifebuoy", title: []string{"subject"}, badges: []string{"status", "priority"},
			columns: []string{"number", "subject", "customer_id", "priority", "status", "resolve_due", "owner_id"},
			filters: []string{"status", "priority", "kind", "owner_id"},
			related: []relation{{crm.KindActivity, "ticket_id", "at"}, {crm.KindTask, "ticket_id", "due_at"}, {crm.KindFeedback, "ticket_id", "at"}},
		},
		{
			kind: crm.KindFeedback, icon: "star", title: []string{"text"},
			columns: []string{"at", "customer_id", "score", "nps", "text", "owner_id"}, filters: []string{"owner_id"},
		},
		{
			kind: crm.KindActivity, icon: "phone", title: []string{"subject"}, badges: []string{"kind"},
			columns: []string{"subject", "kind", "customer_id", "at", "next_contact_at", "owner_id"}, filters: []string{"kind", "owner_id"},
		},
		{
			kind: crm.KindTask, icon: "check", title: []string{"subject"}, badges: []string{"status", "priority"},
			columns: []string{"subject", "customer_id", "priority", "status", "due_at", "owner_id"}, filters: []string{"status", "priority", "owner_id"},
		},
		{
			kind: crm.KindPipeline, icon: "flow", title: []string{"name"},
			columns: []string{"name", "is_default", "is_active", "updated_at"},
		},
		{
			kind: crm.KindCurrencyRate, icon: "coins", title: []string{"currency"},
			columns: []string{"currency", "base", "date", "rate"},
		},
		{
			kind: crm.KindCustomField, icon: "sliders", title: []string{"name"},
			columns: []string{"name", "entity", "kind", "label_en", "label_zh", "is_required", "is_active"}, filters: []string{"kind", "is_active"},
		},
	} {
		all[w.kind] = w
	}
	return all
})

// viewOf is how a kind is shown.
func viewOf(k crm.Kind) view {
	if w, ok := views()[k]; ok {
		return w
	}
	return view{kind: k, icon: "box", title: crm.Keys(k), columns: crm.Writable(k)[:4]}
}

// Kind is the kind, for templates.
func (w view) Kind() crm.Kind { return w.kind }

// Path is where the kind's list is, for templates.
func (w view) Path() string { return w.path() }

func (w view) path() string { return pathOf(w.kind) }

// resource is the kind as permissions know it.
func (w view) resource() access.Resource { return access.Resource(w.kind) }

// pathOf is where a kind's list is: /custom-fields.
func pathOf(k crm.Kind) string { return "/" + strings.ReplaceAll(k.Plural(), "_", "-") }
