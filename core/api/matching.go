package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/match"
	"crmhub/core/matching"
	"crmhub/core/postgres"
)

type matchingInput struct {
	ConnectionID  string `json:"connection_id" format:"uuid" doc:"Which system's records are matched."`
	Entity        string `json:"entity" doc:"What is matched." example:"customer"`
	AcceptCertain bool   `json:"accept_certain,omitempty" doc:"Link what is certain at the end. Without it nothing is linked before somebody says so."`
}

type proposalDecision struct {
	Action   string   `json:"action" enum:"accept,reject,create" doc:"accept: the record is its candidate, or entity_id. reject: it is none of its candidates, or not entity_id. create: it is none of them; a new entity is made of it."`
	IDs      []string `json:"ids,omitempty" minItems:"1" maxItems:"500" doc:"These proposals."`
	Class    string   `json:"class,omitempty" enum:"certain,review,none" doc:"Instead: the open ones of this class, 500 at a time. Accept certain ones, reject certain ones or those to be reviewed, create those without a counterpart."`
	EntityID string   `json:"entity_id,omitempty" format:"uuid" doc:"With one id: which entity is accepted, be it a candidate or not, or which candidate is rejected."`
	After    string   `json:"after,omitempty" format:"uuid" doc:"Where to go on: next of the answer before."`
}

func (s *server) listMatchings() operation {
	statuses := textsOf(matching.Statuses())
	return operation{
		id: "list-matchings", needs: may(access.DeadLetters, access.Read), tag: "matchings", summary: "List matchings", description: "Newest first.",
		parameters: append([]*huma.Param{
			idParameter("connection_id", "Those on this connection."),
			choiceParameter("entity", "Those of this kind of entity.", kindNames()),
			choiceParameter("status", "Those that stand there.", statuses),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[matching.Matching]{Items: []matching.Matching{matchingExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			f := matching.Filter{
				Connection: c.idIn("connection_id", &faults), Entity: c.choiceIn("entity", kindNames(), &faults),
				Status: matching.Status(c.choiceIn("status", statuses, &faults)), After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[matching.Matching], error) { return matching.List(ctx, tx, f) })
		},
	}
}

func (s *server) startMatching() operation {
	return operation{
		id: "start-matching", needs: may(access.Jobs, access.Run), tag: "matchings", summary: "Match both sides now",
		description: "Queues a run that reads all records there and proposes which of those that are linked with nothing is which entity. Pulls of the entity " +
			"wait until it has ended. While one is queued already, that one is returned.",
		body:   jsonBody(s.document, matchingInput{ConnectionID: exampleID, Entity: "customer"}),
		status: http.StatusAccepted, result: jsonBody(s.document, matchingExample()), located: true, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[matchingInput](c)
			if err != nil {
				return answer{}, err
			}
			of, err := parseID("/connection_id", in.ConnectionID)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				m, err := matching.Start(ctx, tx, s.Jobs, of, in.Entity, in.AcceptCertain)
				if err != nil {
					return answer{}, err
				}
				return accepted("/matchings", m.ID, m)
			})
		},
	}
}

func (s *server) getMatching() operation {
	return operation{
		id: "get-matching", needs: may(access.DeadLetters, access.Read), tag: "matchings", summary: "Get a matching",
		description: "With how many proposals stand where.",
		status:      http.StatusOK, result: jsonBody(s.document, matchingExample()),
		serve: onID(s, matching.Get),
	}
}

func (s *server) listProposals() operation {
	classes, states := textsOf(link.Classes()), textsOf(link.ProposalStates())
	least := 0.0
	return operation{
		id: "list-proposals", needs: may(access.DeadLetters, access.Read), tag: "matchings", summary: "List what a matching proposes",
		description: "Those with the surest candidates first. Fields that are hidden from you are left out, and names of entities that you may not see.",
		parameters: append([]*huma.Param{
			choiceParameter("class", "Those of this class.", classes),
			choiceParameter("state", "Those that stand there.", states),
			queryParameter("min_score", "Those whose best candidate scores as much.", &huma.Schema{Type: huma.TypeInteger, Minimum: &least}, 60),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[link.Proposal]{Items: []link.Proposal{proposalExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			var faults parameterFaults
			f := link.ProposalFilter{
				Matching: id, Class: link.Class(c.choiceIn("class", classes, &faults)), State: link.ProposalState(c.choiceIn("state", states, &faults)),
				After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			if c.query.Has("min_score") {
				score, err := strconv.ParseInt(c.query.Get("min_score"), 10, 32)
				if f.MinScore = int(score); err != nil || score < 0 {
					faults.add("min_score", "range", "must be a whole number from 0 on")
				}
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[link.Proposal], error) {
				return matching.Proposals(ctx, tx, s.CRM, f, c.who.Sight)
			})
		},
	}
}

func (s *server) settleProposals() operation {
	return operation{
		id: "settle-proposals", needs: may(access.DeadLetters, access.Run), tag: "matchings", summary: "Decide about proposals",
		description: "What is accepted is linked, and merged at once as on a first match: what only one side says is taken over, and the mapping's authority " +
			"decides the rest. A rejected pair is not proposed again; its proposal stays open without it.",
		body:   jsonBody(s.document, proposalDecision{Action: "accept", Class: "certain"}),
		status: http.StatusOK, result: jsonBody(s.document, matching.Done{Done: 12, Refused: []link.Refused{}}), keyed: true,
		problems: []int{http.StatusConflict},
		serve: func(ctx context.Context, c *call) (answer, error) {
			of, err := c.id()
			if err != nil {
				return answer{}, err
			}
			in, err := decode[proposalDecision](c)
			if err != nil {
				return answer{}, err
			}
			d := matching.Decision{Action: matching.Action(in.Action), Class: link.Class(in.Class)}
			if d.IDs, err = parseIDs("/ids", in.IDs); err != nil {
				return answer{}, err
			}
			if in.EntityID != "" {
				if d.EntityID, err = parseID("/entity_id", in.EntityID); err != nil {
					return answer{}, err
				}
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				return ok(s.Matcher.Settle(ctx, tx, of, d, in.After))
			})
		},
	}
}

func matchingExample() matching.Matching {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	ended := at.Add(41 * time.Second)
	id := uuid.MustParse(exampleID)
	return matching.Matching{
		ID: id, ConnectionID: id, RunID: id, Entity: string(crm.KindCustomer), Status: matching.Finished,
		Counts: matching.Counts{Read: 1200, Known: 900, Certain: 250, Review: 30, None: 20}, StartedAt: at, StartedBy: exampleActor, FinishedAt: &ended,
	}
}

func proposalExample() link.Proposal {
	id := uuid.MustParse(exampleID)
	return link.Proposal{
		ID: id, MatchingID: id, ConnectionID: id, Entity: string(crm.KindCustomer), RemoteID: "1001", Title: "Northwind Traders",
		Theirs: map[string]any{"name": "Northwind Traders", "phone": "+86 10 1234 5678"}, Class: link.Certain, Score: 120, State: link.ProposalOpen,
		Candidates: []link.Candidate{{
			EntityID: id, Title: "Northwind Traders Ltd", Score: 120, Reasons: []match.Reason{{Kind: match.Phone, Score: 60}, {Kind: match.Name, Score: 60}},
		}},
		FoundAt: time.Date(2026, 9, 1, 8, 0, 30, 0, time.UTC),
	}
}
