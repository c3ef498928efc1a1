package console

import (
	"strings"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// section is a group of pages in the navigation.
type section struct {
	Key   string // of its title in the catalogue
	Items []entry
	Open  bool // its items are shown; the others' are folded away
}

// entry leads to a page.
type entry struct {
	Key      string // of its words in the catalogue
	To       string
	Icon     string
	Current  bool
	resource access.Resource // "" for everybody signed in
	action   access.Action
	some     bool // the action with any kind of record
	finance  bool // for those who see every invoice and payment
}

// navigation is every page that the navigation leads to; a new page adds a line here.
func navigation() []section {
	kinds := func(of ...crm.Kind) []entry {
		entries := make([]entry, len(of))
		for i, k := range of {
			w := viewOf(k)
			entries[i] = entry{Key: "kinds." + string(k), To: w.path(), Icon: w.icon, resource: w.resource(), action: access.Read}
		}
		return entries
	}
	return []section{
		{Key: "nav.work", Open: true, Items: append([]entry{
			{Key: "nav.home", To: "/", Icon: "home"},
			{Key: "nav.follow_ups", To: "/follow-ups", Icon: "bell"},
			{Key: "nav.pool", To: "/pool", Icon: "tray", resource: access.Pool, action: access.Read},
		}, kinds(
			crm.KindCustomer, crm.KindContact, crm.KindOpportunity, crm.KindOrder, crm.KindContract, crm.KindInvoice, crm.KindPayment,
			crm.KindProduct, crm.KindCampaign, crm.KindSegment, crm.KindTicket, crm.KindFeedback, crm.KindActivity, crm.KindTask,
		)...)},
		{Key: "nav.finance", Open: true, Items: []entry{
			{Key: "nav.inbox", To: inboxPath, Icon: "tray", finance: true},
			{Key: "nav.allocation", To: allocationPath, Icon: "coins", finance: true},
			{Key: "nav.receivables", To: receivablesPath, Icon: "clock", finance: true, resource: access.Reports, action: access.Read},
			{Key: "nav.compared", To: comparedPath, Icon: "check", finance: true},
		}},
		{Key: "nav.data", Open: true, Items: []entry{
			{Key: "nav.imports", To: importsPath, Icon: "upload", action: access.Import, some: true},
			{Key: "nav.exports", To: "/exports", Icon: "download", action: access.Export, some: true},
			{Key: "nav.duplicates", To: duplicatesPath, Icon: "people", action: access.Merge, some: true},
		}},
		{Key: "nav.reports", Open: true, Items: []entry{
			{Key: "nav.all_reports", To: "/reports", Icon: "chart", resource: access.Reports, action: access.Read},
			{Key: "nav.targets", To: targetsPath, Icon: "target", resource: access.Targets, action: access.Read},
		}},
		{Key: "nav.sync", Open: true, Items: []entry{
			{Key: "nav.sync_overview", To: "/sync", Icon: "flow", resource: access.Connections, action: access.Read},
			{Key: "nav.alerts", To: alertsPath, Icon: "bell", resource: access.Alerts, action: access.Read},
			{Key: "nav.connections", To: "/sync/connections", Icon: "plug", resource: access.Connections, action: access.Read},
			{Key: "nav.jobs", To: "/sync/jobs", Icon: "clock", resource: access.Jobs, action: access.Read},
			{Key: "nav.runs", To: "/sync/runs", Icon: "play", resource: access.DeadLetters, action: access.Read},
			{Key: "nav.matchings", To: matchingsPath, Icon: "people", resource: access.DeadLetters, action: access.Read},
			{Key: "nav.links", To: linksPath, Icon: "flow", resource: access.DeadLetters, action: access.Read},
			{Key: "nav.conflicts", To: "/sync/conflicts", Icon: "sliders", resource: access.DeadLetters, action: access.Read},
			{Key: "nav.reconciliations", To: "/sync/reconciliations", Icon: "check", resource: access.DeadLetters, action: access.Read},
			{Key: "nav.dead_letters", To: "/sync/dead-letters", Icon: "letter", resource: access.DeadLetters, action: access.Read},
			{Key: "nav.subscriptions", To: subscriptionsPath, Icon: "bell", resource: access.Subscriptions, action: access.Read},
		}},
		{Key: "nav.admin", Items: append([]entry{
			{Key: "nav.users", To: usersPath, Icon: "person", resource: access.Users, action: access.Read},
			{Key: "nav.roles", To: rolesPath, Icon: "key", resource: access.Roles, action: access.Read},
			{Key: "nav.departments", To: departmentsPath, Icon: "flow", resource: access.Organizations, action: access.Read},
			{Key: "nav.teams", To: teamsPath, Icon: "people", resource: access.Organizations, action: access.Read},
			{Key: "nav.audit", To: auditPath, Icon: "shield", resource: access.Audit, action: access.Read},
			{Key: "nav.erasures", To: erasuresPath, Icon: "shield", resource: access.Resource(crm.KindCustomer), action: access.Erase},
			{Key: "nav.organization", To: organizationPath, Icon: "gear", resource: access.Organizations, action: access.Read},
		}, kinds(crm.KindPipeline, crm.KindProductCategory, crm.KindPrice, crm.KindCurrencyRate, crm.KindCustomField)...)},
	}
}

// navigate is the navigation as one person sees it from a page. A section opens where the page is in it.
func navigate(who access.Identity, path string) []section {
	var seen []section
	for _, s := range navigation() {
		var items []entry
		for _, e := range s.Items {
			if e.some && !needsSome(e.action).met(who) || e.resource != "" && who.May(e.resource, e.action) == "" || e.finance && !seesFinance(who) {
				continue
			}
			e.Current = under(path, e.To)
			s.Open = s.Open || e.Current
			items = append(items, e)
		}
		if s.Items = items; len(items) > 0 {
			seen = append(seen, s)
		}
	}
	return seen
}

// under reports whether a path is a page or below it. The first page of a section has nothing below it.
func under(path, page string) bool {
	return path == page || page != "/" && page != "/sync" && strings.HasPrefix(path, page+"/")
}
