package console

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/link"
)

const pageSize = 50

// listed says how entities of a kind are listed.
type listed struct {
	kind        crm.Kind
	statusField string
	statuses    []string
	sortable    []string
}

// newestChange is the order that the database keeps an index for; it is what a list begins with.
const newestChange = "-updated_at"

// list is the data of a page that lists entities.
type list[T crm.Entity] struct {
	Text      string
	Status    string
	Statuses  []string
	Sort      string // a field, with "-" before it from the highest down
	Items     []T
	First     string // URL of the first page, "" on it
	Next      string // URL of the next page, "" on the last
	Customers map[uuid.UUID]string
	path      string
}

// Filtered reports whether the list may be empty only because of what was asked for.
func (l list[T]) Filtered() bool { return l.Text != "" || l.Status != "" }

// SortURL is the list by a field, or by it the other way round if it is sorted by it already.
func (l list[T]) SortURL(field string) string {
	if l.Sort == field {
		field = "-" + field
	}
	l.Sort = field
	return l.url("")
}

// Sorted says which way the list is sorted by a field, as aria-sort does; "" if it is not.
func (l list[T]) Sorted(field string) string {
	switch l.Sort {
	case field:
		return "ascending"
	case "-" + field:
		return "descending"
	}
	return ""
}

func (l list[T]) url(after string) string {
	q := url.Values{}
	for name, value := range map[string]string{"q": l.Text, "status": l.Status, "sort": l.Sort, "after": after} {
		if value != "" && (name != "sort" || value != newestChange) {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return l.path
	}
	return l.path + "?" + q.Encode()
}

// listEntities reads the page of entities the URL asks for.
func listEntities[T crm.Entity](ctx context.Context, v *visit, of listed) (list[T], error) {
	q := v.r.URL.Query()
	l := list[T]{
		Text: strings.TrimSpace(q.Get("q")), Status: q.Get("status"), Statuses: of.statuses,
		Sort: cmp.Or(q.Get("sort"), newestChange), path: v.r.URL.Path,
	}
	field, desc := strings.CutPrefix(l.Sort, "-")
	if !slices.Contains(of.sortable, field) || l.Status != "" && !slices.Contains(of.statuses, l.Status) {
		return l, errAddress
	}
	query := crm.Query{Text: l.Text, Sort: []crm.Sort{{Field: field, Desc: desc}}, After: q.Get("after"), Limit: pageSize}
	v.narrow(of.kind, &query)
	if l.Status != "" {
		query.Filter = []crm.Condition{{Field: of.statusField, Op: crm.OpEqual, Value: l.Status}}
	}
	if query.After != "" {
		l.First = l.url("")
	}
	err := v.as(ctx, func(tx pgx.Tx) error {
		page, err := v.console.CRM.List(ctx, tx, of.kind, query)
		if err != nil {
			return err
		}
		var customers []uuid.UUID
		for _, e := range page.Items {
			if e, err = v.present(e); err != nil {
				return err
			}
			l.Items = append(l.Items, e.(T)) //nolint:forcetypeassert // List returns the kind asked for
			if id, ok := customerOf(e); ok {
				customers = append(customers, id)
			}
		}
		if page.Next != "" {
			l.Next = l.url(page.Next)
		}
		l.Customers, err = v.customerNames(ctx, tx, customers)
		return err
	})
	return l, err
}

func customerOf(e crm.Entity) (uuid.UUID, bool) {
	switch e := e.(type) {
	case *crm.Order:
		return e.CustomerID, true
	case *crm.Invoice:
		return e.CustomerID, true
	}
	return uuid.Nil, false
}

// customerNames gives the names of customers; a dash for those that the visitor does not see.
func (v *visit) customerNames(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	names := map[uuid.UUID]string{}
	for _, id := range ids {
		names[id] = "–"
	}
	if len(ids) == 0 {
		return names, nil
	}
	found, err := v.console.CRM.Get(ctx, tx, crm.KindCustomer, ids)
	if err != nil {
		return nil, err
	}
	for id, e := range found {
		if e, err = v.present(e); err != nil {
			return nil, err
		}
		names[id] = e.(*crm.Customer).Name //nolint:forcetypeassert // Get returns the kind asked for
	}
	return names, nil
}

// linkRow is where an entity is known on another system.
type linkRow struct {
	link.Link
	ConnectionName string
}

// Behind reports whether the other system lacks the newest version.
func (r linkRow) Behind() bool { return r.SyncedVersion < r.WantedVersion }

// getEntity reads the entity the URL names, and where it is known on other systems.
func getEntity[T crm.Entity](ctx context.Context, v *visit, tx pgx.Tx, kind crm.Kind) (e T, rows []linkRow, err error) {
	id, err := v.id(crm.ErrNotFound)
	if err != nil {
		return e, nil, err
	}
	found, err := v.console.CRM.Get(ctx, tx, kind, []uuid.UUID{id})
	if err != nil {
		return e, nil, err
	}
	if found[id] == nil {
		return e, nil, crm.ErrNotFound
	}
	seen, err := v.present(found[id])
	if err != nil {
		return e, nil, err
	}
	e = seen.(T) //nolint:forcetypeassert // Get returns the kind asked for
	links, err := link.OfEntity(ctx, tx, string(kind), id)
	if err != nil || len(links) == 0 {
		return e, nil, err
	}
	names, err := v.console.connectionNames(ctx, tx)
	for _, l := range links {
		rows = append(rows, linkRow{l, names[l.ConnectionID]})
	}
	return e, rows, err
}

// related lists the newest entities of a kind that belong to one entity.
func related[T crm.Entity](ctx context.Context, v *visit, tx pgx.Tx, kind crm.Kind, field, newest string, id uuid.UUID) ([]T, error) {
	q := crm.Query{
		Filter: []crm.Condition{{Field: field, Op: crm.OpEqual, Value: id.String()}},
		Sort:   []crm.Sort{{Field: newest, Desc: true}}, Limit: relatedSize,
	}
	r := access.Resource(kind)
	if v.who.Hides(r, field) || v.who.Hides(r, newest) {
		return nil, nil
	}
	v.narrow(kind, &q)
	page, err := v.console.CRM.List(ctx, tx, kind, q)
	if err != nil {
		return nil, err
	}
	items := make([]T, len(page.Items))
	for i, e := range page.Items {
		if e, err = v.present(e); err != nil {
			return nil, err
		}
		items[i] = e.(T) //nolint:forcetypeassert // List returns the kind asked for
	}
	return items, nil
}

const relatedSize = 20
