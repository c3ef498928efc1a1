package crm

import "slices"

// QuickSorts are the fields by which lists of a kind are sorted along an index, so that a page costs the same however many
// there are: the newest change, the keys, and those of migration 0031. Nil: the kind stays small, and any field will do.
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
	case KindInvoice:
		return []string{"updated_at", "number", "issue_date", "due_date", "total"}
	case KindActivity:
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
