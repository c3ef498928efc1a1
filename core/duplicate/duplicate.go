// Package duplicate finds entities that are one and the same, and makes them one.
//
// [Check], [CheckAll] and [CheckSure] look for what entities that are not stored yet would repeat, [Repeats] for what they repeat of
// each other, [Find] for pairs in the whole store, [Merge] makes two entities one, and [Unmerge] two again. Promises: a check looks beyond what the caller may see and tells no more of
// it than that it exists, how sure that is, and whom to ask; nothing refers to an entity after it was merged into another;
// no link is lost or doubled; a merge is one transaction and its log holds what it takes to undo it.
// It leaves to others how alike two records are (match) and who may do what (api, access).
package duplicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/match"
	"crmhub/core/postgres"
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
var ErrNotFound = postgres.NotFound("no such pair or merge")

// ErrKind says that entities of a kind are not compared.
var ErrKind = errors.New("entities of this kind are not compared")

// Check returns what a new entity would repeat, the surest first. It looks at all of the organization's entities of its
// kind, whatever the caller may see of them; of what he may not see a match says its class and its owner's name only.
func Check(ctx context.Context, tx pgx.Tx, store *crm.Store, e crm.Entity) ([]Match, error) {
	found, err := CheckAll(ctx, tx, store, e)
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// CheckAll is [Check] of several new entities of one kind, each by itself.
func CheckAll(ctx context.Context, tx pgx.Tx, store *crm.Store, entities ...crm.Entity) ([][]Match, error) {
	return check(ctx, tx, store, entities, match.Possible, func(keys match.Keys) []match.Keys {
		return []match.Keys{keys.Sure(), keys.Named(), keys.Ends()}
	})
}

// CheckSure is [Check] of several new entities of one kind, each by itself, where only what is surely the same counts. It
// is the check of each creation, and costs less.
func CheckSure(ctx context.Context, tx pgx.Tx, store *crm.Store, entities ...crm.Entity) ([][]Match, error) {
	return check(ctx, tx, store, entities, match.Same, func(keys match.Keys) []match.Keys { return []match.Keys{keys.Sure()} })
}

// check looks for records that share a key of one of the groups that look makes, and returns those of the least class.
func check(ctx context.Context, tx pgx.Tx, store *crm.Store, entities []crm.Entity, least match.Class, look func(match.Keys) []match.Keys) ([][]Match, error) {
	if len(entities) == 0 {
		return nil, nil
	}
	kind := entities[0].Kind()
	if !slices.Contains(crm.Matched(), kind) {
		return nil, fmt.Errorf("check %s for duplicates: %w", kind, ErrKind)
	}
	near := make([]map[uuid.UUID]neighbour, len(entities))
	var b pgx.Batch
	for i, e := range entities {
		near[i] = map[uuid.UUID]neighbour{}
		keys := crm.MatchKeys(e)
		for _, wanted := range look(keys) {
			queueNearby(&b, kind, keys, wanted, near[i])
		}
	}
	if b.Len() > 0 {
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return nil, fmt.Errorf("check %s for duplicates: %w", kind, err)
		}
	}
	var ids []uuid.UUID
	matches := make([][]Match, len(entities))
	for i, e := range entities {
		matches[i] = []Match{}
		delete(near[i], crm.HeadOf(e).ID)
		maps.DeleteFunc(near[i], func(_ uuid.UUID, n neighbour) bool {
			class := n.result.Class()
			return class != match.Same && class != least
		})
		ids = slices.AppendSeq(ids, maps.Keys(near[i]))
	}
	if len(ids) == 0 {
		return matches, nil
	}
	titles, err := store.Titles(ctx, tx, kind, ids)
	if err != nil {
		return nil, fmt.Errorf("check %s for duplicates: %w", kind, err)
	}
	for i := range entities {
		matches[i] = matchesOf(near[i], titles)
	}
	return matches, nil
}

// matchesOf says of neighbours what the caller may know, who sees those with a title.
func matchesOf(near map[uuid.UUID]neighbour, titles map[uuid.UUID]string) []Match {
	matches := make([]Match, 0, len(near))
	byID := func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
	for _, id := range slices.SortedFunc(maps.Keys(near), byID) {
		n := near[id]
		m := Match{Owner: n.owner, Class: n.result.Class()}
		if title, seen := titles[id]; seen {
			m.ID, m.Title, m.Score, m.Reasons = &id, title, n.result.Score, n.result.Reasons
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
		sure := keys[i].Sure()
		for _, k := range sure {
			if repeated[i] >= 0 {
				break
			}
			if at := slices.IndexFunc(having[k], func(j int) bool { return match.Compare(keys[j], keys[i]).Class() == match.Same }); at >= 0 {
				repeated[i] = having[k][at]
			}
		}
		if repeated[i] < 0 {
			for _, k := range sure {
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
	owner  string
	result match.Result
}

// queueNearby asks for records that share a wanted key, at most so many, so that those that share a rare one are not
// crowded out by those that share a common one.
func queueNearby(b *pgx.Batch, k crm.Kind, keys, wanted match.Keys, near map[uuid.UUID]neighbour) {
	if len(wanted) == 0 {
		return
	}
	b.Queue("select id, coalesce(owner, ''), shared, coalesce(name, '') from crmhub_matches_"+crm.TableOf(k)+"($1, $2, $3)",
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
