package console

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/allocation"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/reconcile"
	"crmhub/core/report"
)

// Where the pages of finance are.
const (
	inboxPath       = "/finance/inbox"
	allocationPath  = "/finance/payments"
	receivablesPath = "/finance/receivables"
	debtorsPath     = receivablesPath + "/customers"
	comparedPath    = "/finance/reconciliation"
)

// financePages are those for who sees all invoices and payments; each asks that once more, see seesFinance.
func (c *Console) financePages() map[string]page {
	const invoices, payments = access.Resource(crm.KindInvoice), access.Resource(crm.KindPayment)
	all := map[string]page{
		"GET " + inboxPath:                      {needs(invoices, access.Read), c.listInbox},
		"POST " + inboxPath:                     {needs(invoices, access.Create), c.receiveInvoices},
		"GET " + inboxPath + "/{id}":            {needs(invoices, access.Read), c.showInboxItem},
		"GET " + inboxPath + "/{id}/file":       {needs(invoices, access.Read), c.inboxFile},
		"POST " + inboxPath + "/{id}/accept":    {needs(invoices, access.Create), c.acceptInvoice},
		"POST " + inboxPath + "/{id}/refuse":    {needs(invoices, access.Update), c.refuseInvoice},
		"POST " + inboxPath + "/{id}/reopen":    {needs(invoices, access.Update), c.reopenInvoice},
		"GET " + allocationPath:                 {needs(payments, access.Read), c.listOpenPayments},
		"POST " + allocationPath + "/certain":   {needs(payments, access.Update), c.acceptCertain},
		"GET " + allocationPath + "/{id}":       {needs(payments, access.Read), c.showAllocation},
		"POST " + allocationPath + "/{id}":      {needs(payments, access.Update), c.allocate},
		"POST " + allocationPath + "/{id}/undo": {needs(payments, access.Update), c.reverseAllocation},
		"GET " + receivablesPath:                {needs(access.Reports, access.Read), c.showReceivables},
		"GET " + debtorsPath:                    {needs(access.Reports, access.Read), c.showDebtors},
		"GET " + comparedPath:                   {needs(invoices, access.Read), c.showCompared},
	}
	guarded := map[string]page{}
	for pattern, p := range all {
		guarded[pattern] = page{p.needs, func(ctx context.Context, v *visit) error {
			if !seesFinance(v.who) {
				return errForbidden
			}
			return p.serve(ctx, v)
		}}
	}
	return guarded
}

// seesFinance reports whether somebody sees every invoice and payment, with all that finance goes by.
func seesFinance(who access.Identity) bool {
	for k, fields := range allocation.Seen() {
		r := access.Resource(k)
		blind := who.Blind(r)
		if who.May(r, access.Read) != postgres.ScopeOrganization || slices.ContainsFunc(fields, func(f string) bool { return slices.Contains(blind, f) }) {
			return false
		}
	}
	return len(who.Blind(access.Resource(crm.KindInvoice))) == 0
}

// receivablesPage is what is owed by age: in all, a row a currency, or by the customers who owe most.
type receivablesPage struct {
	AsOf      string
	Fault     bool
	Refused   string // why the visitor may not see the report
	Report    string // where it is with everything that it can be asked for
	Files     *reportFiles
	Table     *reportTable
	Customers string // where these are; "" where they are shown
}

const agingReport = "receivables-aging"

// showReceivables shows what is owed in all. Who owes it is a page of its own, which the script brings in: to rank a million customers takes
// longer than all else.
func (c *Console) showReceivables(ctx context.Context, v *visit) error {
	return c.showAged(ctx, v, "currency", c.reports.Run)
}

func (c *Console) showDebtors(ctx context.Context, v *visit) error {
	return c.showAged(ctx, v, "customer", c.reports.Leading)
}

func (c *Console) showAged(ctx context.Context, v *visit, by string,
	run func(context.Context, pgx.Tx, report.Report, report.Parameters) (report.Result, error),
) error {
	p := receivablesPage{AsOf: v.r.URL.Query().Get("as_of")}
	r, err := report.Find(agingReport)
	if err != nil {
		return err
	}
	if p.Refused = v.reportRefused(r); p.Refused != "" {
		return v.write(http.StatusForbidden, "receivables", p)
	}
	given := report.Parameters{"by": by, "per_currency": "true"}
	if p.AsOf != "" {
		if _, err := crm.ParseDate(p.AsOf); err != nil {
			p.Fault = true
			return v.write(http.StatusUnprocessableEntity, "receivables", p)
		}
		given["as_of"] = p.AsOf
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		result, err := run(ctx, tx, r, given)
		if err != nil {
			return err
		}
		p.AsOf = result.Parameters["as_of"]
		whole := maps.Clone(result.Parameters)
		whole["by"] = "customer"
		p.Report, p.Files = addressOf(reportPath(r.Name), whole, nil), v.reportFiles(r, whole)
		if p.Table, err = v.reportTable(ctx, tx, r, result); err != nil {
			return err
		}
		p.Table.Totals = nil // a row a currency is one
		if by == "customer" {
			v.linkOpenInvoices(p.Table, result.Rows)
		} else if len(result.Rows) > 0 {
			p.Customers = urlOf(debtorsPath, map[string]string{"as_of": p.AsOf})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return v.show("receivables", p)
}

// linkOpenInvoices adds a column with the way to each customer's open invoices.
func (v *visit) linkOpenInvoices(t *reportTable, rows []report.Row) {
	t.Columns = append(t.Columns, reportColumn{Label: v.say("finance.documents")})
	for i, row := range rows {
		customer, _ := row["key"].(string)
		currency, _ := row["currency"].(string)
		to := pathOf(crm.KindInvoice) + "?customer_id=" + customer + "&currency=" + currency + "&residual%5Bne%5D=0&status%5Bin%5D=issued%2Ccredited_partial%2Ccredited_full&sort=due_date"
		t.Rows[i] = append(t.Rows[i], cell{Text: v.say("finance.open_invoices"), Link: to})
	}
}

// comparedPage are the sums of the newest comparison of each connection.
type comparedPage struct {
	Compared []comparison
}

// comparison is a connection's newest reconciliation of invoices or payments, with its sums by currency and month.
type comparison struct {
	reconciliationRow
	Link string // of the reconciliation, "" where the visitor may not see it
}

func (c *Console) showCompared(ctx context.Context, v *visit) error {
	var p comparedPage
	err := v.as(ctx, func(tx pgx.Tx) error {
		names, err := c.connectionNames(ctx, tx)
		if err != nil {
			return err
		}
		for _, k := range []crm.Kind{crm.KindInvoice, crm.KindPayment} {
			newest := map[uuid.UUID]bool{}
			for _, verdict := range []reconcile.Verdict{reconcile.Equal, reconcile.Differs} {
				found, err := reconcile.List(ctx, tx, reconcile.Filter{Entity: string(k), Verdict: verdict, Limit: 500})
				if err != nil {
					return err
				}
				for _, r := range found.Items {
					p.Compared = append(p.Compared, comparison{reconciliationRow: reconciliationRow{r, names[r.ConnectionID]}})
				}
			}
			slices.SortFunc(p.Compared, func(a, b comparison) int { return b.StartedAt.Compare(a.StartedAt) })
			p.Compared = slices.DeleteFunc(p.Compared, func(one comparison) bool {
				old := one.Entity == string(k) && newest[one.ConnectionID]
				newest[one.ConnectionID] = newest[one.ConnectionID] || one.Entity == string(k)
				return old
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if v.who.May(access.DeadLetters, access.Read) != "" {
		for i := range p.Compared {
			p.Compared[i].Link = "/sync/reconciliations/" + p.Compared[i].ID.String()
		}
	}
	return v.show("compared", p)
}

// homeFinance is what waits for finance.
type homeFinance struct {
	Inbox    int64 // files that wait
	Payments []openPaymentRow
	More     bool // there are more open payments
}

// homePayments is how many open payments the home page shows.
const homePayments = 8

func (v *visit) waitingForFinance(ctx context.Context, tx pgx.Tx, p *homePage) (err error) {
	if !seesFinance(v.who) || v.who.May(access.Resource(crm.KindPayment), access.Update) == "" {
		return nil
	}
	p.Finance = &homeFinance{}
	if p.Finance.Inbox, err = v.console.inbox.Waiting(ctx, tx); err != nil {
		return err
	}
	found, err := v.console.allocations.Open(ctx, tx, allocation.Query{Limit: homePayments})
	if err != nil {
		return err
	}
	p.Finance.More = found.Next != ""
	p.Finance.Payments, err = v.openPaymentRows(ctx, tx, found)
	return err
}
