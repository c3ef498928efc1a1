package upkeep

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// FollowUp is something that somebody has to see to.
type FollowUp struct {
	Why        Why        `json:"why" enum:"task,reminder,next_contact,close,contract_end,first_response,resolve,instalment,invoice,recycle" doc:"Why it is here."`
	Kind       crm.Kind   `json:"entity" doc:"The kind of entity it is about."`
	ID         uuid.UUID  `json:"id" doc:"Which one."`
	Title      string     `json:"title,omitempty" doc:"Its name, subject or number."`
	At         time.Time  `json:"at" doc:"When it is due: of what has a day, the beginning of that."`
	Overdue    bool       `json:"overdue" doc:"Whether that is past: of what has a day, whether the day is over."`
	CustomerID *uuid.UUID `json:"customer_id,omitempty" doc:"With which customer it has to do."`
	Customer   string     `json:"customer,omitempty" doc:"Its name."`
	OwnerID    *uuid.UUID `json:"owner_id,omitempty" doc:"Who has to see to it; of what a customer owes, the customer's owner."`
	Note       string     `json:"note,omitempty" doc:"The rule by which a customer falls into the pool."`
	Day        *crm.Date  `json:"-" db:"-"` // when it is due, of what has a day
}

// Why is why something is to be seen to.
type Why string

// The reasons.
const (
	WhyTask          Why = "task"           // an open task is due
	WhyReminder      Why = "reminder"       // of an open task that is not due yet
	WhyNextContact   Why = "next_contact"   // a customer is to be spoken with
	WhyClose         Why = "close"          // an open opportunity is expected to close
	WhyContractEnd   Why = "contract_end"   // a signed contract ends within thirty days, or has
	WhyFirstResponse Why = "first_response" // a ticket waits for a first response
	WhyResolve       Why = "resolve"        // a ticket waits for a solution
	WhyInstalment    Why = "instalment"     // one of an order's payment plan is not paid
	WhyInvoice       Why = "invoice"        // it is not paid
	WhyRecycle       Why = "recycle"        // a customer is about to fall into the pool
)

// Source is where follow-ups of one reason come from.
type Source struct {
	Why    Why
	Kind   crm.Kind
	Fields []string // of the kind: what a follow-up tells of, hence not to whom one of them is hidden
	Title  string   // the field that is its title
	daily  bool     // it is due on a day, not at an instant
	from   string   // the tables, the entity's as t, and which rows
	at     string
	owner  string
}

const (
	ofTask     = `tasks t where t.deleted_at is null and t.done_at is null and t.status in ('not_started', 'started', 'deferred')`
	ofTicket   = `tickets t where t.deleted_at is null and t.resolved_at is null and t.status in ('new', 'assigned', 'pending')`
	ofCustomer = ` left join customers c on c.id = t.customer_id`

	// maybeOwn leaves out most that is not one owner's, before the customer of each is looked up along the days: few of them are his. The
	// deleted are asked for apart, as each of the two has an index. Of several owners more are, and their customers too many to fetch.
	maybeOwn = ` and (@owners::uuid[] is null or cardinality(@owners::uuid[]) > 1 or t.owner_id = any(@owners) or t.customer_id in (
				select id from customers where deleted_at is null and owner_id = any(@owners)
				union all select id from customers where deleted_at is not null and owner_id = any(@owners)))`

	// contractNotice is how many days before its end a contract is a follow-up.
	contractNotice = 30
)

// Sources are all there are.
func Sources() []Source {
	return []Source{
		{Why: WhyTask, Kind: crm.KindTask, Fields: []string{"status", "due_at"}, Title: "subject", at: `t.due_at`, owner: `t.owner_id`, from: ofTask + ` and t.due_at < @end`},
		{
			Why: WhyReminder, Kind: crm.KindTask, Fields: []string{"status", "remind_at", "due_at"}, Title: "subject", at: `t.remind_at`, owner: `t.owner_id`,
			from: ofTask + ` and t.remind_at < @end and (t.due_at is null or t.due_at >= @end)`,
		},
		{
			Why: WhyNextContact, Kind: crm.KindCustomer, Fields: []string{"next_contact_at"}, Title: "name", at: `t.next_contact_at`, owner: `t.owner_id`,
			from: `customers t where t.deleted_at is null and t.next_contact_at < @end`,
		},
		{
			Why: WhyClose, Kind: crm.KindOpportunity, Fields: []string{"status", "expected_close"}, Title: "name", daily: true, at: `t.expected_close`, owner: `t.owner_id`,
			from: `opportunities t where t.deleted_at is null and t.status = 'open' and t.expected_close < @day`,
		},
		{
			Why: WhyContractEnd, Kind: crm.KindContract, Fields: []string{"status", "end_date"}, Title: "name", daily: true, at: `t.end_date`, owner: `t.owner_id`,
			from: fmt.Sprintf(`contracts t where t.deleted_at is null and t.status = 'signed' and t.end_date < @day::date + %d`, contractNotice),
		},
		{
			Why: WhyFirstResponse, Kind: crm.KindTicket, Fields: []string{"status", "first_response_due", "first_responded_at"}, Title: "subject",
			at: `t.first_response_due`, owner: `t.owner_id`, from: ofTicket + ` and t.first_responded_at is null and t.first_response_due < @end`,
		},
		{
			Why: WhyResolve, Kind: crm.KindTicket, Fields: []string{"status", "resolve_due", "resolved_at"}, Title: "subject",
			at: `t.resolve_due`, owner: `t.owner_id`, from: ofTicket + ` and t.resolve_due < @end`,
		},
		{
			Why: WhyInstalment, Kind: crm.KindOrder, Fields: []string{"status", "instalments"}, Title: "number", daily: true, at: `i.due`, owner: `coalesce(c.owner_id, t.owner_id)`,
			from: `(select order_id, min(due_date) as due from order_instalments where status <> 'paid' and due_date < @day group by order_id) i
				join orders t on t.id = i.order_id` + ofCustomer + ` where t.deleted_at is null and t.status not in ('draft', 'submitted', 'cancelled')`,
		},
		{
			Why: WhyInvoice, Kind: crm.KindInvoice, Fields: []string{"status", "due_date", "residual"}, Title: "number", daily: true, at: `t.due_date`, owner: `coalesce(c.owner_id, t.owner_id)`,
			from: `invoices t` + ofCustomer + ` where t.deleted_at is null and t.residual > 0 and t.status not in ('draft', 'cancelled') and t.due_date < @day` + maybeOwn,
		},
		{Why: WhyRecycle, Kind: crm.KindCustomer, Fields: []string{"owner_id"}, Title: "name", daily: true}, // see due
	}
}

// selects is the statement of a source.
func (s Source) selects() string {
	customer, at := "t.customer_id", s.at
	if s.Kind == crm.KindCustomer {
		customer = "t.id"
	}
	if s.daily {
		at = "(" + s.at + "::timestamp at time zone @zone)"
	}
	key := "(" + at + ", '" + string(s.Why) + `' collate "C", t.id)`
	return "(select '" + string(s.Why) + "' as why, '" + string(s.Kind) + "' as kind, t.id, t." + s.Title + " as title, " + at + " as at, " +
		customer + " as customer, " + s.owner + " as owner from " + s.from +
		" and (@owners::uuid[] is null or " + s.owner + " = any(@owners)) and (@at::timestamptz is null or " + key + ` > (@at, @why::text collate "C", @id::uuid))` +
		" order by " + s.at + ", t.id limit @limit)" // an index has days in the order of their beginnings
}

// Ask is what follow-ups are asked for.
type Ask struct {
	Sources []Source    // of these reasons
	Owners  []uuid.UUID // what they have to see to; nil: everybody and nobody
	Pooling []uuid.UUID // whose customers count that are about to fall into the pool; nil: everybody's
	Until   *crm.Date   // the last day that counts, today if nil
	After   string      // Next of the page before
	Limit   int
}

// FollowUps returns what is due by the end of a day, the longest due first, as far as the caller sees the entities. Customers
// about to fall into the pool are found as the rules find them; Pooling must be within what he may know of.
func (s *Store) FollowUps(ctx context.Context, tx pgx.Tx, a Ask) (postgres.Page[FollowUp], error) {
	after, err := postgres.ParsePlace(a.After)
	if err != nil {
		return postgres.Page[FollowUp]{}, fmt.Errorf("list follow-ups: %w", err)
	}
	settings, err := s.Settings(ctx, tx)
	if err != nil {
		return postgres.Page[FollowUp]{}, err
	}
	now := s.now()
	local := now.In(settings.location())
	today := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, local.Location())
	end := today.AddDate(0, 0, 1)
	if a.Until != nil {
		until := a.Until.Time()
		end = time.Date(until.Year(), until.Month(), until.Day()+1, 0, 0, 0, 0, local.Location())
	}
	limit := postgres.PageSize(a.Limit)
	found, err := s.followUps(ctx, tx, a, end, settings.TimeZone, after, limit+1)
	if err != nil {
		return postgres.Page[FollowUp]{}, err
	}
	if slices.ContainsFunc(a.Sources, func(s Source) bool { return s.Why == WhyRecycle }) {
		more := limit + 1
		due, err := s.due(ctx, tx, now, dueQuery{warn: true, owners: a.Pooling, after: after, limit: &more})
		if err != nil {
			return postgres.Page[FollowUp]{}, err
		}
		for _, d := range due {
			found = append(found, d.followUp())
		}
		slices.SortFunc(found, FollowUp.compare)
		found = found[:min(len(found), more)]
	}
	daily := map[Why]bool{}
	for _, s := range a.Sources {
		daily[s.Why] = s.daily
	}
	for i := range found {
		f := &found[i]
		f.At = f.At.UTC()
		f.Overdue = f.At.Before(now)
		if daily[f.Why] {
			f.Overdue = f.At.Before(today)
			day := crm.DateOf(f.At.In(local.Location()))
			f.Day = &day
		}
	}
	return postgres.Cut(found, limit, func(f FollowUp) string { return postgres.Place{At: f.At, Word: string(f.Why), ID: f.ID}.String() }), nil
}

// followUps finds those of the sources that have a statement, in their order.
func (s *Store) followUps(ctx context.Context, tx pgx.Tx, a Ask, end time.Time, zone string, after *postgres.Place, limit int) ([]FollowUp, error) {
	var selects []string
	for _, source := range a.Sources {
		if source.from != "" {
			selects = append(selects, source.selects())
		}
	}
	if len(selects) == 0 {
		return nil, nil
	}
	at, word, id := after.Args()
	sql := "select f.why, f.kind, f.id, f.title, f.at, false, f.customer, coalesce(c.name, ''), f.owner, '' from (" + strings.Join(selects, " union all ") + ") f" +
		` left join customers c on c.id = f.customer order by f.at, f.why collate "C", f.id limit @limit`
	return postgres.All(ctx, tx, "list follow-ups", pgx.RowToStructByPos[FollowUp], sql, pgx.NamedArgs{
		"end": end, "day": crm.DateOf(end).Time(), "zone": zone, // when what is due no longer counts
		"owners": a.Owners, "at": at, "why": word, "id": id, "limit": limit,
	})
}

func (d DueCustomer) followUp() FollowUp {
	return FollowUp{
		Why: WhyRecycle, Kind: crm.KindCustomer, ID: d.CustomerID, Title: d.Name, At: d.FallsAt, CustomerID: &d.CustomerID, Customer: d.Name,
		OwnerID: d.OwnerID, Note: d.Rule,
	}
}

// compare orders follow-ups as the statements do.
func (f FollowUp) compare(g FollowUp) int {
	return cmp.Or(f.At.Compare(g.At), cmp.Compare(f.Why, g.Why), bytes.Compare(f.ID[:], g.ID[:]))
}
