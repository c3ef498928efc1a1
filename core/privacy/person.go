package privacy

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// person is all that is about somebody: the entity that was asked for, those merged into it, its contacts who are known
// nowhere else, and what belongs to them.
type person struct {
	entities map[crm.Kind][]uuid.UUID
}

func (p *person) kinds() []crm.Kind { return slices.Sorted(maps.Keys(p.entities)) }

func (p *person) customers() []uuid.UUID { return p.entities[crm.KindCustomer] }

// all returns kinds and ids side by side.
func (p *person) all() (kinds []string, ids []uuid.UUID) {
	for _, k := range p.kinds() {
		for _, id := range p.entities[k] {
			kinds, ids = append(kinds, string(k)), append(ids, id)
		}
	}
	return kinds, ids
}

const (
	selectSurvivor = `select survivor_id from merge_log where entity = $1 and loser_id = $2 and unmerged_at is null`
	selectMerged   = `
with recursive all_of as (
	select $2::uuid as id
	union
	select m.loser_id from merge_log m join all_of a on a.id = m.survivor_id where m.entity = $1 and m.unmerged_at is null)
select id from all_of`
	selectOwnContacts = `
select distinct c.contact_id from contact_customers c
where c.customer_id = any($1) and not exists (select from contact_customers o where o.contact_id = c.contact_id and o.customer_id <> all($1))`
	// A contract that is or was in force is evidence of what was agreed: it stays whole.
	contractInForce = `status in ('signed', 'fulfilled', 'terminated')`
	// Orders and opportunities are a customer's, whichever contact they name.
	selectBelonging = `
select 'activity', id from activities where customer_id = any($1) or contact_id = any($2)
union all select 'campaign_member', id from campaign_members where customer_id = any($1) or contact_id = any($2)
union all select 'contract', id from contracts where customer_id = any($1) and not (` + contractInForce + `)
union all select 'feedback', id from feedback where customer_id = any($1) or contact_id = any($2)
union all select 'invoice', id from invoices where customer_id = any($1)
union all select 'opportunity', id from opportunities where customer_id = any($1)
union all select 'order', id from orders where customer_id = any($1)
union all select 'payment', id from payments where customer_id = any($1)
union all select 'ticket', id from tickets where customer_id = any($1) or contact_id = any($2)
union all select 'task', id from tasks where customer_id = any($1) or contact_id = any($2)
	or opportunity_id in (select id from opportunities where customer_id = any($1)) or order_id in (select id from orders where customer_id = any($1))
	or ticket_id in (select id from tickets where customer_id = any($1))`
)

func (s *Eraser) personOf(ctx context.Context, tx pgx.Tx, r Request) (*person, error) {
	found, err := s.Entities.GetForUpdate(ctx, tx, r.Kind, []uuid.UUID{r.ID})
	if err != nil {
		return nil, err
	}
	if found[r.ID] == nil {
		return nil, crm.ErrNotFound
	}
	into, err := ids(ctx, tx, selectSurvivor, r.Kind, r.ID)
	if err != nil {
		return nil, err
	}
	if len(into) > 0 {
		return nil, &MergedError{into[0]}
	}
	p := &person{entities: map[crm.Kind][]uuid.UUID{}}
	if p.entities[r.Kind], err = ids(ctx, tx, selectMerged, r.Kind, r.ID); err != nil {
		return nil, err
	}
	if r.Kind == crm.KindCustomer {
		own, err := ids(ctx, tx, selectOwnContacts, p.customers())
		if err != nil {
			return nil, err
		}
		for _, id := range own {
			merged, err := ids(ctx, tx, selectMerged, crm.KindContact, id)
			if err != nil {
				return nil, err
			}
			p.entities[crm.KindContact] = append(p.entities[crm.KindContact], merged...)
		}
	}
	rows, err := tx.Query(ctx, selectBelonging, p.customers(), p.entities[crm.KindContact])
	if err != nil {
		return nil, fmt.Errorf("find what belongs to it: %w", err)
	}
	var k crm.Kind
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&k, &id}, func() error {
		p.entities[k] = append(p.entities[k], id)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find what belongs to it: %w", err)
	}
	return p, nil
}

func ids(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]uuid.UUID, error) {
	return postgres.All(ctx, tx, "find what belongs to it", pgx.RowTo[uuid.UUID], sql, args...)
}

// What is under way may have read what is to go, and write it once more. A file that waits to be looked at or run is not.
const selectBusy = `
select exists (select from imports where entity = any($1) and status in ('uploading', 'previewing', 'running', 'undoing'))
	or exists (select from exports where entity = any($1) and status = 'running')`

func (p *person) idle(ctx context.Context, tx pgx.Tx) error {
	var busy bool
	if err := tx.QueryRow(ctx, selectBusy, p.kinds()).Scan(&busy); err != nil {
		return err
	}
	if busy {
		return ErrBusy
	}
	return nil
}

// identifies says, of the fields of a customer or contact, under which names in them stand texts that are this one's alone: by
// them it is found in what names no entity. The fields themselves are personal; a city or a job title is many people's.
var identifies = map[string][]string{ //nolint:gochecknoglobals // a table
	"name": nil, "uscc": nil, "tax_id": nil, "phone": nil, "mobile": nil, "email": nil, "website": nil,
	"addresses": {"street"}, "invoice_profiles": {"title", "tax_no", "bank_account", "address", "phone"},
}

// Everything that was ever said of the customers and contacts, as far as it is still known.
const (
	selectSaidByEraser = `
select data::text from outbox where entity = any($1) and entity_id = any($2)
union all select diff::text from outbox where entity = any($1) and entity_id = any($2) and diff is not null
union all select detail::text from audit_log where entity = any($1) and entity_id = any($2) and detail is not null`
	selectSaidByApp = `
select snapshot::text from links where entity = any($1) and entity_id = any($2) and snapshot is not null
union all select before::text from merge_log where entity = any($1) and (survivor_id = any($2) or loser_id = any($2))
union all select before::text from import_effects where entity_id = any($2) and before is not null`
)

// identifying returns the texts by which the customers and contacts are known, now or once, the longest first.
func (s *Eraser) identifying(ctx context.Context, tx pgx.Tx, p *person) ([]string, error) {
	said := map[string]bool{}
	kinds, of := []crm.Kind{crm.KindCustomer, crm.KindContact}, []uuid.UUID{}
	for _, k := range kinds {
		found, err := s.Entities.Get(ctx, tx, k, p.entities[k])
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			doc, err := crm.Document(e)
			if err != nil {
				return nil, err
			}
			texts(said, "", doc)
		}
		of = append(of, p.entities[k]...)
	}
	err := asEraser(ctx, tx, func() error {
		return eachText(ctx, tx, func(v any) { texts(said, "", v) }, selectSaidByEraser, kinds, of)
	})
	if err != nil {
		return nil, err
	}
	if err := eachText(ctx, tx, func(v any) { texts(said, "", v) }, selectSaidByApp, kinds, of); err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Keys(said), func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		if a < b {
			return -1
		}
		return 1
	}), nil
}

// eachText calls fn for each JSON document that a query returns.
func eachText(ctx context.Context, tx pgx.Tx, fn func(any), sql string, args ...any) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("read what is known of it: %w", err)
	}
	var text string
	_, err = pgx.ForEachRow(rows, []any{&text}, func() error {
		var v any
		if json.Unmarshal([]byte(text), &v) == nil {
			fn(v)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read what is known of it: %w", err)
	}
	return nil
}

// texts notes what stands under the names of identifies, wherever they are.
func texts(said map[string]bool, under string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if within, ok := identifies[under]; ok && within != nil {
				if slices.Contains(within, name) {
					note(said, member)
				}
				continue
			}
			texts(said, name, member)
		}
	case []any:
		for _, item := range v {
			texts(said, under, item)
		}
	case string:
		if within, ok := identifies[under]; ok && within == nil {
			note(said, v)
		}
	}
}

// note keeps a text that is long enough to be nobody else's: two Chinese characters or "Li" stand in too much.
func note(said map[string]bool, v any) {
	s, _ := v.(string)
	long := 6
	if len(s) > utf8.RuneCountInString(s) {
		long = 3
	}
	if utf8.RuneCountInString(s) >= long {
		said[s] = true
	}
}
