package crm

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/match"
)

// Matched are the kinds whose entities are compared to find duplicates; their tables keep the keys.
func Matched() []Kind { return []Kind{KindCustomer, KindContact} }

// MatchKeys are the keys by which an entity is recognized, none for kinds that are not compared.
func MatchKeys(e Entity) match.Keys {
	keys := match.Keys{}
	switch e := e.(type) {
	case *Customer:
		if e.Type == "person" {
			keys.AddPerson(e.Name)
		} else {
			keys.AddCompany(e.Name)
		}
		keys.AddUSCC(e.USCC)
		keys.AddTaxID(e.TaxID)
		keys.AddPhone(e.Phone)
		keys.AddEmail(e.Email)
		for _, a := range e.Addresses {
			keys.AddCity(a.City)
		}
	case *Contact:
		at := make([]string, len(e.Customers))
		for i, c := range e.Customers {
			at[i] = c.CustomerID.String()
		}
		keys.AddPerson(e.Name, at...)
		keys.AddPhone(e.Mobile)
		keys.AddPhone(e.Phone)
		keys.AddEmail(e.Email)
	}
	return keys
}

// derived are the columns that the store makes of an entity for search and comparison, beside those of its fields.
func (t table) derived() []string {
	if t.matched {
		return []string{"search", "match_keys"}
	}
	return []string{"search"}
}

// row is an entity's JSON with what is derived from it: the names are the columns.
func (t table) row(data []byte, e Entity) ([]byte, error) {
	row := make([]byte, 0, len(data)+512)
	row = append(row, data[:len(data)-1]...)
	row = append(row, `,"search":"`...)
	row = append(row, t.tokens(e)...) // letters and digits only
	row = append(row, '"')
	if t.matched {
		keys, err := json.Marshal(MatchKeys(e))
		if err != nil {
			return nil, fmt.Errorf("write match keys as JSON: %w", err)
		}
		row = append(row, `,"match_keys":`...)
		row = append(row, keys...)
	}
	return append(row, '}'), nil
}

// TableOf names the table of a kind.
func TableOf(k Kind) string { return tableNames(k).name }

// Titles are the names of what the caller sees of these entities, without deleted ones.
func (s *Store) Titles(ctx context.Context, tx pgx.Tx, k Kind, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	t := tableNames(k)
	rows, err := tx.Query(ctx, "select id, "+t.title()+" from "+t.name+" where id = any($1) and deleted_at is null", ids)
	if err != nil {
		return nil, fmt.Errorf("read names of %s: %w", t.name, err)
	}
	titles := make(map[uuid.UUID]string, len(ids))
	var id uuid.UUID
	var title string
	if _, err := pgx.ForEachRow(rows, []any{&id, &title}, func() error { titles[id] = title; return nil }); err != nil {
		return nil, fmt.Errorf("read names of %s: %w", t.name, err)
	}
	return titles, nil
}
