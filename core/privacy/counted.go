package privacy

import (
	"slices"

	"crmhub/core/crm"
)

// Counted are the names under which [Erasure] counts what was erased: kinds of entities, and what else held something.
func Counted() []string {
	names := []string{"audit", "change", "import_file", "export_file", "answer"}
	for _, k := range []crm.Kind{
		crm.KindCustomer, crm.KindContact, crm.KindActivity, crm.KindCampaignMember, crm.KindContract, crm.KindFeedback, crm.KindInvoice, crm.KindOpportunity,
		crm.KindOrder, crm.KindPayment, crm.KindTask, crm.KindTicket,
	} {
		names = append(names, string(k))
	}
	for _, statements := range [][]statement{byEntity, byEntityErased, byName, byText} {
		for _, s := range statements {
			names = append(names, s.name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
