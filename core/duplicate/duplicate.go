// Package duplicate finds entities that are one and the same, and makes them one.
//
// [Check] looks for what an entity that is not stored yet would repeat, [Find] for pairs in the whole store, [Merge] makes
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

// most is how many records are looked at that share a sure key, and how many that share a vague one.
const most = 50

// ErrNotFound says that there is no such pair or merge here, or that it was undone.
var ErrNotFound = errors.New("no such pair or merge")

// ErrKind says that entities of a kind are not compared.
var ErrKind = errors.New("entities of this kind are not compared")

// Check returns what a new entity would repeat, the surest first. It looks at all of the organization's entities of its
// kind, whatever the caller may see of them; of what he may not see a match says its class and its owner's name only.
func Check(ctx context.Context, tx pgx.Tx, store *crm.Store, e crm.Entity) ([]Match, error) {
	if !slices.Contains(crm.Matched(), e.Kind()) {
		return nil, fmt.Errorf("check %s for duplicates: %w", e.Kind(), ErrKind)
	}
	near, err := nearby(ctx, tx, e.Kind(), crm.MatchKeys(e))
	if err != nil {
		return nil, fmt.Errorf("check %s for duplicates: %w", e.Kind(), err)
	}
	near = slices.DeleteFunc(near, func(n neighbour) bool {
		return n.result.Class() == match.Distinct || n.id == crm.HeadOf(e).ID
	})
	if len(near) == 0 {
		return []Match{}, nil
	}
	ids := make([]uuid.UUID, len(near))
	for i, n := range near {
		ids[i] = n.id
	}
	titles, err := store.Titles(ctx, tx, e.Kind(), ids)
	if err != nil {
		return nil, fmt.Errorf("check %s for duplicates: %w", e.Kind(), err)
	}
	matches := make([]Match, len(near))
	for i, n := range near {
		matches[i] = Match{Owner: n.owner, Class: n.result.Class()}
		if title, seen := titles[n.id]; seen {
			matches[i].ID, matches[i].Title, matches[i].Score, matches[i].Reasons = &n.id, title, n.result.Score, n.result.Reasons
		}
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
	id     uuid.UUID
	owner  string
	result match.Result
}

func nearby(ctx context.Context, tx pgx.Tx, k crm.Kind, keys match.Keys) ([]neighbour, error) {
	sure, vague := match.Keys{}, match.Keys{}
	for _, key := range keys {
		switch {
		case key.Vague():
			vague = append(vague, key)
		case key.Searching():
			sure = append(sure, key)
		}
	}
	rows, err := tx.Query(ctx, "select id, coalesce(owner, ''), shared, coalesce(name, '') from crmhub_matches_"+crm.TableOf(k)+"($1, $2, $3, $4)",
		keys, sure, vague, most)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (n neighbour, err error) {
		var shared match.Keys
		var name string
		if err := row.Scan(&n.id, &n.owner, &shared, &name); err != nil {
			return n, err
		}
		n.result = match.Weigh(shared, name, keys.Name())
		return n, nil
	})
}
