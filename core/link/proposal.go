package link

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/match"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Class says what is known of a proposal's record.
type Class string

// The classes.
const (
	Certain    Class = "certain"    // it is surely its one candidate, which is nobody else's candidate
	Review     Class = "review"     // it may be its candidate, or one of several, or others may be its candidate as well
	None       Class = "none"       // it has no counterpart here
	Unreadable Class = "unreadable" // the mapping cannot read it, so that it was compared with nothing
)

// Classes are all classes.
func Classes() []Class { return []Class{Certain, Review, None, Unreadable} }

// Refused is one of many that somebody decided about at once which was left as it was.
type Refused struct {
	ID     uuid.UUID `json:"id"`
	Reason string    `json:"reason"`
}

// ProposalState says how a proposal stands.
type ProposalState string

// The states.
const (
	ProposalOpen    ProposalState = "open"
	ProposalLinked  ProposalState = "linked"  // its record is linked with an entity that was there
	ProposalCreated ProposalState = "created" // an entity was made of its record
	ProposalGone    ProposalState = "gone"    // its record is there no more
)

// ProposalStates are all states.
func ProposalStates() []ProposalState {
	return []ProposalState{ProposalOpen, ProposalLinked, ProposalCreated, ProposalGone}
}

// Proposal is a record that is linked with nothing, and what may be its entity. As long as it is open the record is not
// pulled and its candidates are not pushed as new ones: there would be two of the same.
type Proposal struct {
	ID           uuid.UUID      `json:"id"`
	MatchingID   uuid.UUID      `json:"matching_id"`
	ConnectionID uuid.UUID      `json:"connection_id"`
	Entity       string         `json:"entity"`
	RemoteID     string         `json:"remote_id"`
	Title        string         `json:"title,omitempty"`  // name, number or code of the record
	Theirs       map[string]any `json:"theirs,omitempty"` // the record as an entity; absent once it is settled
	Message      string         `json:"message,omitempty"`
	Class        Class          `json:"class" enum:"certain,review,none,unreadable"`
	Score        int            `json:"score"` // of the best candidate; 0 without one
	State        ProposalState  `json:"state" enum:"open,linked,created,gone"`
	EntityID     *uuid.UUID     `json:"entity_id,omitempty"` // what it is linked with
	Candidates   []Candidate    `json:"candidates" nullable:"false"`
	FoundAt      time.Time      `json:"found_at"`
	ChangedAt    *time.Time     `json:"changed_at,omitempty"`
	ChangedBy    string         `json:"changed_by,omitempty"`

	Said *schema.Saying `json:"-"` // the message, where it is the hub's
	// Record is the record as it was read last. Only LockProposals reads it.
	Record json.RawMessage `json:"-"`
}

// Candidate is an entity that an open proposal's record may be.
type Candidate struct {
	EntityID uuid.UUID      `json:"entity_id"`
	Title    string         `json:"title,omitempty"` // whoever shows it sets it, where the reader may see the entity
	Score    int            `json:"score" doc:"100 and more is surely the same, from 60 on it may be."`
	Reasons  []match.Reason `json:"reasons" nullable:"false"`
}

const proposalColumns = `
p.id, p.matching_id, p.connection_id, p.entity, p.remote_id, coalesce(p.title, ''), p.theirs::text, coalesce(p.message, ''), p.class, p.score, p.state,
	p.entity_id, p.found_at, p.changed_at, coalesce(p.changed_by, ''), coalesce((
		select json_agg(json_build_object('entity_id', c.entity_id, 'score', c.score, 'reasons', c.reasons) order by c.score desc, c.entity_id)
		from proposal_candidates c where c.proposal_id = p.id), '[]'), p.said`

func scanProposal(row pgx.CollectableRow, more ...any) (p Proposal, err error) {
	var theirs *string
	err = row.Scan(append([]any{
		&p.ID, &p.MatchingID, &p.ConnectionID, &p.Entity, &p.RemoteID, &p.Title, &theirs, &p.Message, &p.Class, &p.Score, &p.State,
		&p.EntityID, &p.FoundAt, &p.ChangedAt, &p.ChangedBy, &p.Candidates, &p.Said,
	}, more...)...)
	if err != nil {
		return p, err
	}
	v, err := valueOf(theirs)
	p.Theirs, _ = v.(map[string]any)
	return p, err
}

// ProposalFilter narrows the proposals of a matching; zero fields do not.
type ProposalFilter struct {
	Matching uuid.UUID
	Class    Class
	State    ProposalState
	MinScore int
	After    string // Next of the page before
	Limit    int    // 0: 50; at most 500
}

const listProposals = `
select ` + proposalColumns + `
from proposals p
where p.matching_id = $1 and ($2 = '' or p.class = $2) and ($3 = '' or p.state = $3) and p.score >= $4
	and ($5::uuid is null or (p.score, p.id) < (select a.score, a.id from proposals a where a.id = $5))
order by p.score desc, p.id desc
limit $6`

// ListProposals returns proposals, those with the surest candidates first.
func ListProposals(ctx context.Context, tx pgx.Tx, f ProposalFilter) (p postgres.Page[Proposal], err error) {
	after, err := postgres.PlaceID(f.After)
	if err != nil {
		return p, err
	}
	return postgres.List(ctx, tx, "list proposals", func(row pgx.CollectableRow) (Proposal, error) { return scanProposal(row) }, f.Limit,
		func(p Proposal) string { return p.ID.String() }, listProposals, f.Matching, f.Class, f.State, f.MinScore, after)
}

const lockProposals = `
select ` + proposalColumns + `, p.record::text
from proposals p
where p.matching_id = $1 and p.state = 'open' and (p.id = any($2) or $3 <> '' and p.class = $3) and ($4::uuid is null or p.id > $4)
order by p.id
limit $5
for update`

// LockProposals returns open proposals of a matching with their records, in the order of their ids: those named, or those of a
// class after one of them. Nobody else settles them until the transaction ends.
func LockProposals(ctx context.Context, tx pgx.Tx, matching uuid.UUID, ids []uuid.UUID, class Class, after *uuid.UUID, limit int) ([]Proposal, error) {
	rows, _ := tx.Query(ctx, lockProposals, matching, ids, class, after, limit)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Proposal, error) {
		var record *string
		p, err := scanProposal(row, &record)
		if record != nil {
			p.Record = json.RawMessage(*record)
		}
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("lock proposals: %w", err)
	}
	return all, nil
}
