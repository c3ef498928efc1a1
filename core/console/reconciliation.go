package console

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/postgres"
	"crmhub/core/reconcile"
)

// reconciliationRow is a reconciliation with the name of its connection.
type reconciliationRow struct {
	reconcile.Reconciliation
	ConnectionName string
}

// Took is how long it took, 0 unless it ended.
func (r reconciliationRow) Took() time.Duration {
	if r.FinishedAt == nil {
		return 0
	}
	return r.FinishedAt.Sub(r.StartedAt)
}

// kindCount is how many differences of a kind there are.
type kindCount struct {
	Kind  reconcile.Kind
	Count int64
}

// Kinds are the kinds of difference that there are.
func (r reconciliationRow) Kinds() []kindCount {
	n := r.Counts
	all := []kindCount{
		{reconcile.MissingHere, n.MissingHere},
		{reconcile.MissingThere, n.MissingThere},
		{reconcile.Different, n.Different},
		{reconcile.Unlinked, n.Unlinked},
		{reconcile.Duplicate, n.Duplicate},
		{reconcile.Unreadable, n.Unreadable},
	}
	return slices.DeleteFunc(all, func(k kindCount) bool { return k.Count == 0 })
}

// Differences is how many differences there are.
func (r reconciliationRow) Differences() (n int64) {
	for _, k := range r.Kinds() {
		n += k.Count
	}
	return n
}

// SumsEqual reports whether there are sums and all of them are equal to the cent.
func (r reconciliationRow) SumsEqual() bool {
	return len(r.Sums) > 0 && !slices.ContainsFunc(r.Sums, func(s reconcile.Sum) bool { return !s.Equal })
}

// Gap is how much more there is here than there.
func (r reconciliationRow) Gap(s reconcile.Sum) decimal.Decimal { return s.Ours.Sub(s.Theirs) }

type reconciliationsPage struct {
	pager
	Verdict         string
	Verdicts        []reconcile.Verdict
	Connections     []connectionRow
	Entities        []crm.Kind // what can be compared on some connection
	Reconciliations []reconciliationRow
}

func (c *Console) listReconciliations(ctx context.Context, v *visit) error {
	q := v.r.URL.Query()
	p := reconciliationsPage{Verdict: q.Get("verdict"), Verdicts: reconcile.Verdicts(), Entities: c.comparable()}
	if p.Verdict != "" && !slices.Contains(p.Verdicts, reconcile.Verdict(p.Verdict)) {
		return errAddress
	}
	err := v.as(ctx, func(tx pgx.Tx) error {
		found, err := reconcile.List(ctx, tx, reconcile.Filter{Verdict: reconcile.Verdict(p.Verdict), After: q.Get("after"), Limit: pageSize})
		if err != nil {
			return err
		}
		names, err := c.connectionNames(ctx, tx)
		if err != nil {
			return err
		}
		for _, r := range found.Items {
			p.Reconciliations = append(p.Reconciliations, reconciliationRow{r, names[r.ConnectionID]})
		}
		p.pager = pagerOf(func(after string) string {
			return urlOf("/sync/reconciliations", map[string]string{"verdict": p.Verdict, "after": after})
		}, q.Get("after"), found.Next)
		p.Connections, err = c.connectionRows(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	return v.show("reconciliations", p)
}

// comparable are the kinds that some connector can list.
func (c *Console) comparable() []crm.Kind {
	can := map[string]bool{}
	for _, known := range c.Connections.Connectors {
		for _, s := range known.Streams {
			can[s.Entity] = can[s.Entity] || s.Pull
		}
	}
	return slices.DeleteFunc(crm.Kinds(), func(k crm.Kind) bool { return !can[string(k)] })
}

func (c *Console) startReconciliation(ctx context.Context, v *visit) error {
	connection, err := uuid.Parse(v.r.PostFormValue("connection"))
	if err != nil {
		return errAddress
	}
	run, err := get(ctx, v, func(tx pgx.Tx) (job.Run, error) {
		return c.Jobs.EnqueueKind(ctx, tx, connection, job.Reconcile, v.r.PostFormValue("entity"))
	})
	if err != nil {
		return err
	}
	return v.done("/sync/runs/"+run.ID.String(), "queued")
}

// differenceRow is a difference as a page shows it.
type differenceRow struct {
	reconcile.Difference
	URL    string // of its entity's page, "" without one
	Fields []threeWay
	May    []reconcile.Action
}

// threeWay is a field with what each side says of it, as text.
type threeWay struct{ Field, Ours, Theirs, Agreed string }

type reconciliationPage struct {
	pager
	reconciliationRow
	Kind          string
	State         string
	States        []reconcile.State
	Differences   []differenceRow
	All           []reconcile.Action // what can be done with all open ones of the kind
	Refused       []string           // why some were not mended, after trying
	ReasonMissing bool
	MayReport     bool
}

// KindURL is the page with the differences of one kind.
func (p reconciliationPage) KindURL(kind any) string {
	k, _ := kind.(reconcile.Kind)
	return p.url(string(k), p.State, "")
}

func (p reconciliationPage) url(kind, state, after string) string {
	return urlOf("/sync/reconciliations/"+p.ID.String(), map[string]string{"kind": kind, "state": state, "after": after})
}

func (c *Console) showReconciliation(ctx context.Context, v *visit) error {
	p, err := c.reconciliation(ctx, v, v.r.URL.Query())
	if err != nil {
		return err
	}
	return v.show("reconciliation", p)
}

func (c *Console) reconciliation(ctx context.Context, v *visit, q url.Values) (p reconciliationPage, err error) {
	id, err := v.id(reconcile.ErrNotFound)
	if err != nil {
		return p, err
	}
	p = reconciliationPage{Kind: q.Get("kind"), State: q.Get("state"), States: reconcile.States()}
	if p.Kind != "" && !slices.Contains(reconcile.Kinds(), reconcile.Kind(p.Kind)) || p.State != "" && !slices.Contains(p.States, reconcile.State(p.State)) {
		return p, errAddress
	}
	var found postgres.Page[reconcile.Difference]
	err = v.as(ctx, func(tx pgx.Tx) error {
		r, err := reconcile.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		names, err := c.connectionNames(ctx, tx)
		if err != nil {
			return err
		}
		p.reconciliationRow = reconciliationRow{r, names[r.ConnectionID]}
		if kinds := p.Kinds(); p.Kind == "" && len(kinds) == 1 {
			p.Kind = string(kinds[0].Kind) // what is done with all can be offered
		}
		found, err = reconcile.Differences(ctx, tx, id, reconcile.DifferenceFilter{
			Kind: reconcile.Kind(p.Kind), State: reconcile.State(p.State), After: q.Get("after"), Limit: pageSize,
		})
		return err
	})
	if err != nil {
		return p, err
	}
	resource := access.Resource(p.Entity)
	for _, d := range found.Items {
		d.Veil(func(field string) bool { return !v.who.Sees(resource, field) })
		p.Differences = append(p.Differences, v.differenceRow(d, p.Entity))
	}
	p.pager = pagerOf(func(after string) string { return p.url(p.Kind, p.State, after) }, q.Get("after"), found.Next)
	for _, d := range p.Differences {
		if p.Kind != "" && len(d.May) > len(p.All) {
			p.All = d.May
		}
	}
	p.MayReport = v.who.May(access.Audit, access.Export) != "" && p.FinishedAt != nil
	return p, nil
}

func (v *visit) differenceRow(d reconcile.Difference, entity string) differenceRow {
	row := differenceRow{Difference: d}
	if d.EntityID != nil && v.who.May(access.Resource(entity), access.Read) != "" {
		row.URL = viewOf(crm.Kind(entity)).path() + "/" + d.EntityID.String()
	}
	for _, f := range d.Fields {
		row.Fields = append(row.Fields, threeWay{v.label(entity + "." + f.Field), plainText(f.Ours), plainText(f.Theirs), plainText(f.Agreed)})
	}
	for _, a := range d.Actions() {
		action := access.Run
		if a == reconcile.Ignore {
			action = access.Update
		}
		if v.who.May(access.DeadLetters, action) != "" {
			row.May = append(row.May, a)
		}
	}
	return row
}

// plainText is a value of a document as people read it.
func plainText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return ""
	}
	return string(b)
}

// mendDifferences does what a button says about one difference, or about all open ones of a kind.
func (c *Console) mendDifferences(ctx context.Context, v *visit) error {
	id, err := v.id(reconcile.ErrNotFound)
	if err != nil {
		return err
	}
	action, err := v.choice("action", textsOf(reconcile.Actions())...)
	if err != nil {
		return err
	}
	in := reconcile.Errand{Action: reconcile.Action(action), Kind: reconcile.Kind(v.r.PostFormValue("all")), Reason: strings.TrimSpace(v.r.PostFormValue("reason"))}
	needed := access.Run
	if in.Action == reconcile.Ignore {
		needed = access.Update
	}
	if v.who.May(access.DeadLetters, needed) == "" {
		return errForbidden
	}
	if in.IDs, err = v.one("difference"); err != nil {
		return err
	}
	here := url.Values{"kind": {v.r.PostFormValue("kind")}, "state": {v.r.PostFormValue("state")}}
	if in.Action == reconcile.Ignore && in.Reason == "" {
		p, err := c.reconciliation(ctx, v, here)
		if err != nil {
			return err
		}
		p.ReasonMissing = true
		return v.write(http.StatusUnprocessableEntity, "reconciliation", p)
	}
	done, err := c.Reconciler.MendAll(ctx, v.who.Principal, id, in)
	if err != nil {
		return err
	}
	p, err := c.reconciliation(ctx, v, here)
	if err != nil {
		return err
	}
	if len(done.Refused) > 0 {
		p.Refused = reasons(done.Refused)
		return v.write(http.StatusConflict, "reconciliation", p)
	}
	return v.done(p.url(p.Kind, p.State, ""), "mended")
}

// one is the thing that a button is about; nothing where it is about all of a kind.
func (v *visit) one(field string) ([]uuid.UUID, error) {
	text := v.r.PostFormValue(field)
	if text == "" {
		return nil, nil
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return nil, errAddress
	}
	return []uuid.UUID{id}, nil
}

// reasons are why things were refused, each once: a page says no more than so many.
func reasons(refused []link.Refused) []string {
	var all []string
	for _, r := range refused[:min(len(refused), 20)] {
		all = append(all, r.Reason)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func textsOf[T ~string](all []T) []string {
	texts := make([]string, len(all))
	for i, t := range all {
		texts[i] = string(t)
	}
	return texts
}
