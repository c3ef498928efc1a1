package console

import (
	"slices"
	"testing"

	"crmhub/core/crm"
)

// Of kinds that grow without end a list offers only what an index answers.
func TestListsOfferWhatIsQuick(t *testing.T) {
	t.Parallel()
	for _, k := range crm.Kinds() {
		if crm.QuickSorts(k) == nil {
			continue
		}
		v := viewOf(k)
		for _, f := range crm.Fields(k) {
			offered := slices.Contains(v.filters, f.Name) || f.Type == "date" || f.Type == "instant" && slices.Contains(v.columns, f.Name)
			if offered && !crm.FiltersQuickly(k, f.Name) {
				t.Errorf("lists of %s are filtered by %s, for which there is no index", k, f.Name)
			}
		}
	}
}
