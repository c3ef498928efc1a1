package matching

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Action is what somebody decides about a proposal.
type Action string

// The actions.
const (
	Accept Action = "accept" // the record is the candidate, or the entity named
	Reject Action = "reject" // the record is none of its candidates, or not the one named; the proposal stays open without them
	Create Action = "create" // the record is none of its candidates: a new entity is made of it
)

// Actions are all actions.
func Actions() []Action { return []Action{Accept, Reject, Create} }

// Decision is what somebody decides about proposals: about these, or about the open ones of a class.
type Decision struct {
	Action   Action
	IDs      []uuid.UUID
	Class    link.Class // where IDs are empty
	EntityID uuid.UUID  // with one id: which entity is accepted, whatever was proposed, or rejected
}

// Done is what came of a decision.
type Done struct {
	Done    int            `json:"done"`
	Refused []link.Refused `json:"refused" nullable:"false"`
	Next    string         `json:"next,omitempty"` // of a class: ask again, from here on
}

// SettleSize is how many proposals a decision looks at, in one transaction.
const SettleSize = 500

// Settle does what somebody decides. What was accepted is linked, and merged at once as on a first match: what only one side
// says is taken over, and the mapping's authority decides the rest. after is Done.Next of the call before. Errors: [ErrNotFound],
// [ErrRunning], [postgres.ErrPlace], [schema.Violations].
func (m *Matcher) Settle(ctx context.Context, tx pgx.Tx, matching uuid.UUID, in Decision, after string) (Done, error) {
	if err := in.check(); err != nil {
		return Done{}, err
	}
	from, err := postgres.PlaceID(after)
	if err != nil {
		return Done{}, err
	}
	of, err := Get(ctx, tx, matching)
	if err != nil {
		return Done{}, err
	}
	if of.Status == Queued || of.Status == Running {
		return Done{}, ErrRunning
	}
	s := &settling{Matcher: m, of: of, in: in, refused: map[uuid.UUID]string{}}
	if s.connection, err = m.Connections.Get(ctx, tx, of.ConnectionID); err != nil {
		return Done{}, err
	}
	if err := link.LockStream(ctx, tx, of.ConnectionID, of.Entity); err != nil { // before the rows, as a pull does
		return Done{}, err
	}
	open, err := link.LockProposals(ctx, tx, matching, in.IDs, in.Class, from, SettleSize)
	if err != nil {
		return Done{}, err
	}
	s.missing(open)
	err = postgres.AsHub(ctx, tx, func() error { return s.settle(ctx, tx, open) }) // what comes in is the connection's
	if err != nil {
		return Done{}, err
	}
	return s.done(ctx, tx, open)
}

// SettleAll is Settle to its end, some hundreds in a transaction of who's. What was done before an error stays done. (It has the
// shape of reconcile's MendAll, which says why it is not the same.)
func (m *Matcher) SettleAll(ctx context.Context, who postgres.Principal, matching uuid.UUID, in Decision) (all Done, err error) {
	for more := true; more; more = all.Next != "" {
		done, err := postgres.Get(ctx, m.DB, who, func(tx pgx.Tx) (Done, error) { return m.Settle(ctx, tx, matching, in, all.Next) })
		if err != nil {
			return all, err
		}
		all = Done{Done: all.Done + done.Done, Refused: append(all.Refused, done.Refused...), Next: done.Next}
	}
	return all, nil
}

func (in Decision) check() error {
	var vs schema.Violations
	if !slices.Contains(Actions(), in.Action) {
		vs = append(vs, schema.Violation{Pointer: "/action", Rule: "enum", Message: "must be accept, reject or create"})
	}
	if (len(in.IDs) == 0) == (in.Class == "") {
		vs = append(vs, schema.Violation{Pointer: "/ids", Rule: "required", Message: "name proposals, or a class"})
	}
	if len(in.IDs) > SettleSize {
		vs = append(vs, schema.Violation{Pointer: "/ids", Rule: "maxItems", Message: fmt.Sprintf("must not be more than %d", SettleSize)})
	}
	if in.EntityID != uuid.Nil && (len(in.IDs) != 1 || in.Action == Create) {
		vs = append(vs, schema.Violation{Pointer: "/entity_id", Rule: "single", Message: "goes with one proposal that is accepted or rejected"})
	}
	may := map[Action][]link.Class{Accept: {link.Certain}, Reject: {link.Certain, link.Review}, Create: {link.None}}
	if in.Class != "" && !slices.Contains(may[in.Action], in.Class) {
		vs = append(vs, schema.Violation{Pointer: "/class", Rule: "enum", Message: "at once one can accept what is certain, reject what is certain or to be reviewed, and create what has no counterpart"})
	}
	return vs.Err()
}

// settling is a decision on its way.
type settling struct {
	*Matcher
	of         Matching
	in         Decision
	connection connection.Connection
	refused    map[uuid.UUID]string // why, by proposal
}

func (s *settling) refuse(p link.Proposal, why string) { s.refused[p.ID] = why }

// missing refuses ids that are no open proposals here.
func (s *settling) missing(open []link.Proposal) {
	for _, id := range s.in.IDs {
		if !slices.ContainsFunc(open, func(p link.Proposal) bool { return p.ID == id }) {
			s.refused[id] = "it is no open proposal of this matching"
		}
	}
}

func (s *settling) settle(ctx context.Context, tx pgx.Tx, open []link.Proposal) error {
	switch s.in.Action {
	case Accept:
		return s.accept(ctx, tx, open)
	case Reject:
		return s.reject(ctx, tx, open)
	default:
		return s.create(ctx, tx, open)
	}
}

// accept links records with their candidate, or with the entity that was named, and merges them.
func (s *settling) accept(ctx context.Context, tx pgx.Tx, open []link.Proposal) error {
	var pairs []link.Pair
	of := map[link.Pair]link.Proposal{}
	for _, p := range open {
		id := s.in.EntityID
		switch {
		case id != uuid.Nil:
		case len(p.Candidates) == 0:
			s.refuse(p, "it has no candidate: name the entity")
			continue
		case len(p.Candidates) > 1:
			s.refuse(p, "it has several candidates: name the entity")
			continue
		default:
			id = p.Candidates[0].EntityID
		}
		pair := link.Pair{EntityID: id, RemoteID: p.RemoteID}
		pairs, of[pair] = append(pairs, pair), p
	}
	living, err := s.living(ctx, tx, pairs)
	if err != nil {
		return err
	}
	pairs = slices.DeleteFunc(pairs, func(p link.Pair) bool {
		if !living[p.EntityID] {
			s.refuse(of[p], "there is no such "+s.of.Entity)
		}
		return !living[p.EntityID]
	})
	made, refused, err := link.ConnectAll(ctx, tx, s.of.ConnectionID, s.of.Entity, pairs)
	if err != nil {
		return err
	}
	for pair, why := range refused {
		s.refuse(of[pair], why.Error())
	}
	var linked []link.Proposal
	for _, pair := range pairs {
		if _, ok := made[pair]; ok {
			linked = append(linked, of[pair])
		}
	}
	_, err = s.bring(ctx, tx, linked) // what cannot be brought in is a dead letter; the two are one all the same
	return err
}

func (s *settling) living(ctx context.Context, tx pgx.Tx, pairs []link.Pair) (map[uuid.UUID]bool, error) {
	ids := make([]uuid.UUID, len(pairs))
	for i, p := range pairs {
		ids[i] = p.EntityID
	}
	titles, err := s.Entities.Titles(ctx, tx, crm.Kind(s.of.Entity), ids)
	is := make(map[uuid.UUID]bool, len(titles))
	for id := range titles {
		is[id] = true
	}
	return is, err
}

// reject remembers that records and candidates are two.
func (s *settling) reject(ctx context.Context, tx pgx.Tx, open []link.Proposal) error {
	var pairs []link.Pair
	for _, p := range open {
		rejected := rejectedOf(p, s.in.EntityID)
		if len(rejected) == 0 {
			s.refuse(p, "it has no such candidate")
		}
		pairs = append(pairs, rejected...)
	}
	return link.Reject(ctx, tx, s.of.ConnectionID, s.of.Entity, pairs)
}

// rejectedOf pairs a proposal's record with its candidates, or with one of them.
func rejectedOf(p link.Proposal, only uuid.UUID) (pairs []link.Pair) {
	for _, c := range p.Candidates {
		if only == uuid.Nil || only == c.EntityID {
			pairs = append(pairs, link.Pair{EntityID: c.EntityID, RemoteID: p.RemoteID})
		}
	}
	return pairs
}

// create makes new entities of records. None of their candidates is one of them.
func (s *settling) create(ctx context.Context, tx pgx.Tx, open []link.Proposal) error {
	var rejected []link.Pair
	ids := make([]uuid.UUID, len(open))
	for i, p := range open {
		rejected, ids[i] = append(rejected, rejectedOf(p, uuid.Nil)...), p.ID
	}
	if err := link.Reject(ctx, tx, s.of.ConnectionID, s.of.Entity, rejected); err != nil {
		return err
	}
	return link.SettleByPull(ctx, tx, s.of.ConnectionID, s.of.Entity, ids, func() (failed []uuid.UUID, err error) {
		faults, err := s.bring(ctx, tx, open)
		for i, fault := range faults {
			if fault != nil {
				s.refuse(open[i], fault.Error())
				failed = append(failed, ids[i])
			}
		}
		return failed, err
	})
}

// bring brings the records of proposals in, each as it was read last.
func (s *settling) bring(ctx context.Context, tx pgx.Tx, some []link.Proposal) ([]error, error) {
	if len(some) == 0 {
		return nil, nil
	}
	records := make([]connector.Record, len(some))
	for i, p := range some {
		var err error
		if records[i], err = connector.Kept(p.Record); err != nil {
			return nil, err
		}
	}
	return s.Puller.Bring(ctx, tx, s.connection, s.of.Entity, records, nil)
}

// done writes down what was decided.
func (s *settling) done(ctx context.Context, tx pgx.Tx, open []link.Proposal) (Done, error) {
	done := Done{Refused: []link.Refused{}}
	var acts []audit.Act
	action := map[Action]string{Accept: "accepted", Reject: "rejected", Create: "created"}[s.in.Action]
	for _, p := range open {
		if _, refused := s.refused[p.ID]; refused {
			continue
		}
		done.Done++
		acts = append(acts, audit.Act{Action: action, Entity: "proposal", EntityID: p.ID, Detail: map[string]any{
			"matching_id": s.of.ID, "connection_id": p.ConnectionID, "entity": p.Entity, "remote_id": p.RemoteID, "candidates": p.Candidates,
		}})
	}
	for id, why := range s.refused {
		done.Refused = append(done.Refused, link.Refused{ID: id, Reason: why})
	}
	slices.SortFunc(done.Refused, func(a, b link.Refused) int { return slices.Compare(a.ID[:], b.ID[:]) })
	if len(open) == SettleSize && s.in.Class != "" {
		done.Next = open[SettleSize-1].ID.String()
	}
	return done, audit.Record(ctx, tx, acts...)
}
