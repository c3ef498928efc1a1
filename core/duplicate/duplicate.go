// Package duplicate finds entities that are one and the same, and makes them one.
//
// [Check] looks for what an entity that is not stored yet would repeat, [Find] for pairs in the whole store, [Merge] makes
// two entities one, and [Unmerge] two again. Promises: a check looks beyond what the caller may see and tells no more of
// it than that it exists, how sure that is, and whom to ask; nothing refers to an entity after it was merged into another;
// no link is lost or doubled; a merge is one transaction and its log holds what it takes to undo it.
// It leaves to others how alike two records are (match) and who may do what (api, access).
package duplicate

import (
	"bytes"
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

// most is how many records are looked at that share a kind of key: one that more share says nothing.
const most = 50

// ErrNotFound says that there is no such pair or merge here, or that it was undone.
var ErrNotFound = errors.New("no such pair or merge")

// ErrKind says that entities of a kind are not compared.
var ErrKind = errors.New("entities of this kind are not compared")

// Check returns what a new entity would repeat, the surest first. It looks at all of the organization's entities of its
// kind, whatever the caller may see of them; of what he may not see a match says its class and its owner's name only.
func Check(ctx context.Context, tx pgx.Tx, store *crm.Store, e crm.Entity) ([]Match, error) {
	keys := crm.MatchKeys(e)
	return check(ctx, tx, store, e, match.Possible, keys.Sure(), keys.Named(), keys.Ends())
}

// Repeated is Check where only what is surely the same counts. It is the check of each creation, and costs less.
func Repeated(ctx context.Context, tx pgx.Tx, store *crm.Store, e crm.Entity) ([]Match, error) {
	return check(ctx, tx, store, e, match.Same, crm.MatchKeys(e).Sure())
}

func check(ctx context.Context, tx pgx.Tx, store *crm.Store, e crm.Entity, least match.Class, groups ...match.Keys) ([]Match, error) {
	if !slices.Contains(crm.Matched(), e.Kind()) {
		return nil, fmt.Errorf("check %s for duplicates: %w", e.Kind(), ErrKind)
	}
	near, err := nearby(ctx, tx, e, groups)
	if err != nil {
		return nil, fmt.Errorf("check %s for duplicates: %w", e.Kind(), err)
	}
	matches, ids := []Match{}, []uuid.UUID{}
	for id, n := range near {
		class := n.result.Class()
		if class == match.Same || class == least {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return matches, nil
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	titles, err := store.Titles(ctx, tx, e.Kind(), ids)
	if err != nil {
		return nil, fmt.Errorf("check %s for duplicates: %w", e.Kind(), err)
	}
	for _, id := range ids {
		n := near[id]
		m := Match{Owner: n.owner, Class: n.result.Class()}
		if title, seen := titles[id]; seen {
			m.ID, m.Title, m.Score, m.Reasons = &id, title, n.result.Score, n.result.Reasons
		}
		matches = append(matches, m)
	}
	slices.SortStableFunc(matches, func(a, b Match) int { return b.rank() - a.rank() })
	return matches, nil
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
	owner  string
	result match.Result
}

// nearby returns the records but e itself that share a key of one of the groups, at most so many of each, so that
// those that share a rare one are not crowded out.
func nearby(ctx context.Context, tx pgx.Tx, e crm.Entity, groups []match.Keys) (map[uuid.UUID]neighbour, error) {
	keys := crm.MatchKeys(e)
	near := make(map[uuid.UUID]neighbour)
	var b pgx.Batch
	for _, wanted := range groups {
		if len(wanted) == 0 {
			continue
		}
		b.Queue("select id, coalesce(owner, ''), shared, coalesce(name, '') from crmhub_matches_"+crm.TableOf(e.Kind())+"($1, $2, $3)",
			keys, wanted, most).Query(func(rows pgx.Rows) error {
			var id uuid.UUID
			var n neighbour
			var shared match.Keys
			var name string
			_, err := pgx.ForEachRow(rows, []any{&id, &n.owner, &shared, &name}, func() error {
				n.result = match.Weigh(shared, name, keys.Name())
				near[id] = n
				return nil
			})
			return err
		})
	}
	if b.Len() == 0 {
		return near, nil
	}
	err := tx.SendBatch(ctx, &b).Close()
	delete(near, crm.HeadOf(e).ID)
	return near, err
}
