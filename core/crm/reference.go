package crm

import (
	"reflect"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/schema"
)

// references are what the entities of a batch refer to, and what of it is there.
type references struct {
	there      map[string]map[uuid.UUID]bool // by the kind referred to; false for what is deleted
	deleted    bool                          // what is deleted may be referred to, as other systems do
	reviving   uuid.UUID                     // what comes back in this transaction may be, too
	currencies map[uuid.UUID]string          // of the invoices
	declared   []CustomField
}

// queueReferences asks what of that which the batch refers to is there: one query for each kind referred to. The foreign
// keys hold anyway; this finds every fault at once, with its place, and leaves the transaction alive.
func (w *writing) queueReferences(b *pgx.Batch) *references {
	wanted := make(map[string][]uuid.UUID)
	for _, e := range w.batch {
		want := func(_, kind string, to uuid.UUID) { wanted[kind] = append(wanted[kind], to) }
		eachReference("", shapes()[w.kind], reflect.ValueOf(e).Elem(), want)
		eachCustomReference(w.facts.declared, e, want)
	}
	r := &references{there: make(map[string]map[uuid.UUID]bool, len(wanted)), deleted: isConnection(w.by.Actor), reviving: w.by.Reviving, declared: w.facts.declared}
	for kind, ids := range wanted {
		there := make(map[uuid.UUID]bool, len(ids))
		r.there[kind] = there
		sql := "select id, true from users where id = any($1)"
		if kind != "user" {
			sql = "select id, deleted_at is null from " + tableNames(Kind(kind)).name + " where id = any($1)"
		}
		b.Queue(sql, ids).Query(func(rows pgx.Rows) error {
			var to uuid.UUID
			var alive bool
			_, err := pgx.ForEachRow(rows, []any{&to, &alive}, func() error { there[to] = alive; return nil })
			return err
		})
	}
	if there := r.there[string(w.kind)]; there != nil {
		for _, e := range w.batch {
			if e.head().Version == 0 {
				there[e.head().ID] = true // entities of a batch may refer to each other
			}
		}
	}
	if w.kind == KindPayment {
		r.queueCurrencies(b, wanted[string(KindInvoice)])
	}
	return r
}

func (r *references) queueCurrencies(b *pgx.Batch, invoices []uuid.UUID) {
	r.currencies = make(map[uuid.UUID]string, len(invoices))
	b.Queue("select id, currency from invoices where id = any($1)", invoices).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var currency string
		_, err := pgx.ForEachRow(rows, []any{&id, &currency}, func() error { r.currencies[id] = currency; return nil })
		return err
	})
}

// missing returns what e refers to that is not there, and invoices a payment cannot pay. What the stored version refers
// to already stays as it is, even where the writer does not see it.
func (r *references) missing(k Kind, stored, e Entity) schema.Violations {
	var f faults
	missing := func(at, kind string, to uuid.UUID) {
		alive, there := r.there[kind][to]
		switch {
		case there && (alive || r.deleted || to == r.reviving) || refersTo(stored, kind, to):
		case there:
			f.add(at, "deleted", "is a %s that is deleted: restore it first", kind)
		default:
			f.add(at, "exists", "must be the id of a %s here", kind)
		}
	}
	eachReference("", shapes()[k], reflect.ValueOf(e).Elem(), missing)
	eachCustomReference(r.declared, e, missing)
	if p, ok := e.(*Payment); ok {
		for i, a := range p.Allocations {
			if c := r.currencies[a.InvoiceID]; c != "" && c != p.Currency {
				f.add("/allocations/"+strconv.Itoa(i)+"/invoice_id", "currency", "must be an invoice in %s, the payment's currency", p.Currency)
			}
		}
	}
	return f.violations
}

func refersTo(e Entity, kind string, to uuid.UUID) (found bool) {
	if e != nil {
		eachReference("", shapes()[e.Kind()], reflect.ValueOf(e).Elem(), func(_, k string, id uuid.UUID) {
			found = found || k == kind && id == to
		})
	}
	return found
}

// eachReference calls fn for every id in v that names another entity.
func eachReference(pointer string, s shape, v reflect.Value, fn func(at, kind string, to uuid.UUID)) {
	for _, f := range s {
		switch {
		case f.refers != "":
			value := f.value(v)
			if !value.IsValid() || value.IsZero() {
				continue
			}
			to, _ := reflect.TypeAssert[uuid.UUID](value)
			fn(pointer+"/"+f.name, f.refers, to)
		case f.typ == list:
			items := f.value(v)
			for i := range items.Len() {
				eachReference(pointer+"/"+f.name+"/"+strconv.Itoa(i), f.elem, items.Index(i), fn)
			}
		}
	}
}
