// Package duplicate finds entities that are one and the same, and makes them one.
//
// [Check] and [CheckAll] look for what entities that are not stored yet would repeat, [Repeats] for what they repeat of each
// other, [Find] for pairs in the whole store, [Merge] makes
// two entities one, and [Unmerge] two again. Promises: a check looks beyond what the caller may see and tells no more of
// it than that it exists, how sure that is, and whom to ask; nothing refers to an entity after it was merged into another;
// no link is lost or doubled; a merge is one transaction and its log holds what it takes to undo it.
// It leaves to others how alike two records are (match) and who may do what (api, access).
package duplicate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/match"
)

// Match is an entity that may be the one that was asked about.
type Match struct {
	ID      *uuid.UUID     `json:"id,omitempty"`    // absent where the caller may not see it
	Title   string         `json:"title,omitempty"` // as ID
	Owner   string         `json:"owner,omitempty"` // whom to ask; "" if it is nobody's
	Class   match.Class    `json:"class"`           // same, possible
	Score   int            `json:"score,omitempty"` // as ID
	Reasons []match.Reason `json:"reasons,omitempty"`
}

// most is how many records that share a key are looked at: a key that more share says nothing.
const most = 200

// ErrNotFound says that there is no such pair or merge here, or that it was undone.
var ErrNotFound = errors.New("no such pair or merge")

// ErrKind says that entities of a kind are not compared.
var ErrKind = errors.New("entities of this kind are not compared")

// Check returns what a new entity would repeat, the surest first. It looks at all of the organization's entities of its
// kind, whatever the caller may see of them; of what he may not see a match says its class and its owner's name only.
func Check(ctx context.Context, tx pgx.Tx, store *crm.Store, e crm.Entity) ([]Match, error) {
	found, err := CheckAll(ctx, tx, store, []crm.Entity{e})
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// CheckAll is [Check] of several new entities of one kind, each by itself, in two round trips.
func CheckAll(ctx context.Context, tx pgx.Tx, store *crm.Store, entities []crm.Entity) ([][]Match, error) {
	if len(entities) == 0 {
		return nil, nil
	}
	kind := entities[0].Kind()
	if !slices.Contains(crm.Matched(), kind) {
		return nil, fmt.Errorf("check %s for duplicates: %w", kind, ErrKind)
	}
	near, err := nearby(ctx, tx, kind, entities)
	if err != nil {
		return nil, fmt.Errorf("check %s for duplicates: %w", kind, err)
	}
	var ids []uuid.UUID
	for _, of := range near {
		for _, n := range of {
			ids = append(ids, n.id)
		}
	}
	titles, err := store.Titles(ctx, tx, kind, ids)
	if err != nil {
		return nil, fmt.Errorf("check %s for duplicates: %w", kind, err)
	}
	all := make([][]Match, len(entities))
	for i, e := range entities {
		all[i] = matchesOf(e, near[i], titles)
	}
	return all, nil
}

func matchesOf(e crm.Entity, near []neighbour, titles map[uuid.UUID]string) []Match {
	matches := []Match{}
	for _, n := range near {
		result := match.Weigh(n.shared, n.likeness)
		if result.Class() == match.Distinct || n.id == crm.HeadOf(e).ID {
			continue
		}
		m := Match{Owner: n.owner, Class: result.Class()}
		if title, seen := titles[n.id]; seen {
			m.ID, m.Title, m.Score, m.Reasons = &n.id, title, result.Score, result.Reasons
		}
		matches = append(matches, m)
	}
	slices.SortStableFunc(matches, func(a, b Match) int { return b.rank() - a.rank() })
	return matches
}

// Repeats says of each of several new entities of one kind which of those before it is surely the same; -1 if none is.
// What repeats another is not compared with those after it.
func Repeats(entities []crm.Entity) []int {
	repeated := make([]int, len(entities))
	keys := make([]match.Keys, len(entities))
	having := make(map[match.Key][]int)
	for i, e := range entities {
		keys[i], repeated[i] = crm.MatchKeys(e), -1
		for _, k := range keys[i] {
			if !k.Searching() || repeated[i] >= 0 {
				continue
			}
			if at := slices.IndexFunc(having[k], func(j int) bool { return match.Compare(keys[j], keys[i]).Class() == match.Same }); at >= 0 {
				repeated[i] = having[k][at]
			}
		}
		for _, k := range keys[i] {
			if k.Searching() && repeated[i] < 0 {
				having[k] = append(having[k], i)
			}
		}
	}
	return repeated
}

// rank orders matches without telling the score of what is not shown.
func (m Match) rank() int {
	if m.Class == match.Same {
		return 1000 + m.Score
	}
	return m.Score
}

// neighbour is a stored record that shares a key.
type neighbour struct {
	id       uuid.UUID
	shared   match.Keys
	likeness float64 // of the names, where they differ
	owner    string
}

// nearby are the neighbours of each of the entities.
func nearby(ctx context.Context, tx pgx.Tx, k crm.Kind, entities []crm.Entity) ([][]neighbour, error) {
	near := make([][]neighbour, len(entities))
	var b pgx.Batch
	for i, e := range entities {
		keys := crm.MatchKeys(e)
		var wanted match.Keys
		var name *match.Key
		for _, key := range keys {
			if key.Searching() {
				wanted = append(wanted, key)
			}
			if key.Kind() == match.Name {
				name = &key
			}
		}
		b.Queue("select id, shared, coalesce(likeness, 0), coalesce(owner, '') from crmhub_matches($1, $2, $3, $4, $5)",
			crm.TableOf(k), keys, wanted, name, most).Query(func(rows pgx.Rows) (err error) {
			near[i], err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (n neighbour, err error) {
				err = row.Scan(&n.id, &n.shared, &n.likeness, &n.owner)
				return n, err
			})
			return err
		})
	}
	return near, tx.SendBatch(ctx, &b).Close()
}
