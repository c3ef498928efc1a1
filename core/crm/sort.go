package crm

import "slices"

// QuickSorts are the fields by which lists of a kind are sorted along an index, so that a page costs the same however many
// there are: the newest change, the keys, and those of migrations 0031 and 0033. Nil: the kind stays small, and any field will do.
func QuickSorts(k Kind) []string {
	switch k {
	case KindCustomer:
		return []string{"updated_at", "code", "name", "created_at", "next_contact_at"}
	case KindContact:
		return []string{"updated_at", "name"}
	case KindOpportunity:
		return []string{"updated_at", "number", "expected_close", "amount"}
	case KindOrder:
		return []string{"updated_at", "number", "date", "total"}
	case KindContract:
		return []string{"updated_at", "number", "end_date"}
	case KindInvoice:
		return []string{"updated_at", "number", "issue_date", "due_date", "total"}
	case KindPayment:
		return []string{"updated_at", "number", "date"}
	case KindFeedback, KindActivity:
		return []string{"updated_at", "at"}
	case KindTask:
		return []string{"updated_at", "due_at"}
	case KindTicket:
		return []string{"updated_at", "number"}
	default:
		return nil
	}
}

// SortsQuickly reports whether lists of a kind may be offered sorted by a field.
func SortsQuickly(k Kind, field string) bool {
	quick := QuickSorts(k)
	return quick == nil || slices.Contains(quick, field)
}

// quickFilters are the fields that lists of a kind with [QuickSorts] are narrowed by along an index (migration 0033), besides whose they are
// and what they are sorted by.
func quickFilters(k Kind) []string {
	switch k {
	case KindCustomer:
		return []string{"lifecycle", "level"}
	case KindContact:
		return []string{"opt_out"}
	case KindOpportunity:
		return []string{"status", "forecast_category"}
	case KindOrder:
		return []string{"status", "delivery_status", "payment_status", "promised_date"}
	case KindContract:
		return []string{"status", "start_date"}
	case KindPayment:
		return []string{"status"}
	case KindInvoice:
		return []string{"status", "payment_status", "kind"}
	case KindTicket:
		return []string{"status", "priority", "kind", "resolve_due"}
	case KindActivity:
		return []string{"kind", "next_contact_at"}
	case KindTask:
		return []string{"status", "priority"}
	default:
		return nil
	}
}

// FiltersQuickly reports whether lists of a kind may be offered narrowed by a field.
func FiltersQuickly(k Kind, field string) bool {
	return SortsQuickly(k, field) || field == "owner_id" || slices.Contains(quickFilters(k), field)
}

// ranked reports whether a column has another beside it that an index may compare, which numeric may not under row level security.
func ranked(t table, f field) bool {
	switch t.name {
	case "orders", "invoices":
		return f.name == "total"
	case "opportunities":
		return f.name == "amount"
	}
	return false
}

// rankOf is that other column.
func rankOf(f field) string { return f.name + "_rank" }
