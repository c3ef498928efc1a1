package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/duplicate"
	"crmhub/core/match"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// acceptParameter of a creation says that its duplicates were looked at: ?duplicates=accept.
const acceptParameter = "duplicates"

// matchesBody is what a candidate may repeat.
type matchesBody struct {
	Matches []duplicate.Match `json:"matches" nullable:"false" doc:"The surest first. Of what the caller may not see there is its class and its owner's name only."`
}

func acceptDuplicates() *huma.Param {
	return queryParameter(acceptParameter, "accept: it is known that this one may be there already.",
		&huma.Schema{Type: huma.TypeString, Enum: []any{"accept"}}, "accept")
}

func (e entities) checkDuplicates() operation {
	return operation{
		id: "check-" + slug(string(e.kind)) + "-duplicates", needs: may(e.resource(), access.Create), tag: "duplicates", summary: "Look whether " + article(e.kind) + " is there already",
		description: "Takes what is known of it so far. All of the organization is looked at, whatever the caller may see of it.",
		body: &content{mediaType: jsonType, schema: &huma.Schema{
			Type: huma.TypeObject, Description: "Any of the fields of " + componentName(e.kind) + ".", AdditionalProperties: true,
		}, example: map[string]any{"name": "Northwind Traders", "phone": "+86 10 1234 5678"}},
		status: http.StatusOK, result: jsonBody(e.document, matchesBody{Matches: []duplicate.Match{matchExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			doc, err := c.object()
			if err != nil {
				return answer{}, err
			}
			if err := blindly(c, e.resource(), doc).Err(); err != nil {
				return answer{}, err
			}
			entity, err := crm.FromDocument(e.kind, e.schema.Writable(doc))
			if err != nil {
				return answer{}, err
			}
			entity.Normalize()
			var found matchesBody
			err = e.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
				found.Matches, err = duplicate.Check(ctx, tx, e.CRM, entity)
				return err
			})
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, found)
		},
	}
}

// blindly refuses fields that the caller does not see: whose it is that he guessed would be told.
func blindly(c *call, r access.Resource, doc map[string]any) (vs schema.Violations) {
	for _, field := range c.who.Blind(r) {
		if _, given := doc[field]; given {
			vs = append(vs, schema.Violation{Pointer: "/" + field, Rule: "permission", Message: "must be a field that you may see"})
		}
	}
	return vs
}

type mergeInput struct {
	LoserID      string   `json:"loser_id" format:"uuid" doc:"What becomes part of the one in the path, and is deleted."`
	LoserVersion int64    `json:"loser_version" minimum:"1" doc:"The version of it that was seen."`
	Take         []string `json:"take,omitempty" doc:"Fields that get the loser's value. Others keep their own, and get the loser's where they are empty; lists and custom fields are united."`
}

func (e entities) mergeInto() operation {
	return operation{
		id: "merge-" + slug(string(e.kind)), needs: may(e.resource(), access.Merge), tag: "duplicates", summary: "Merge another " + string(e.kind) + " into it",
		description: "All that referred to the loser refers to the survivor, with a version and a change for each. A link of the loser moves to the survivor, " +
			"unless that has a record on the connection already; then the loser's record is deleted there. It can be undone.",
		parameters: []*huma.Param{ifMatch()},
		body:       jsonBody(e.document, mergeInput{LoserID: exampleID, LoserVersion: 3, Take: []string{"phone"}}),
		status:     http.StatusOK, result: jsonBody(e.document, mergeExample()), keyed: true,
		problems: []int{http.StatusConflict, http.StatusPreconditionFailed, http.StatusPreconditionRequired},
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			seen, err := c.version()
			if err != nil {
				return answer{}, err
			}
			in, err := decode[mergeInput](c)
			if err != nil {
				return answer{}, err
			}
			loser, err := parseID("/loser_id", in.LoserID)
			if err != nil {
				return answer{}, err
			}
			return e.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				return ok(e.editor.Merge(ctx, tx, c.author(), duplicate.Request{
					Kind: e.kind, Survivor: duplicate.Side{ID: id, Version: seen}, Loser: duplicate.Side{ID: loser, Version: in.LoserVersion}, Take: in.Take,
				}))
			})
		},
	}
}

func comparedNames() []string { return textsOf(crm.Matched()) }

type findInput struct {
	Entity string `json:"entity" enum:"customer,contact" doc:"The kind to look through."`
}

type foundPairs struct {
	Found int `json:"found" doc:"How many pairs there are, those decided already among them."`
}

func (s *server) findDuplicates() operation {
	return operation{
		id: "find-duplicates", needs: maySome(access.Merge), tag: "duplicates", summary: "Find the duplicates in the whole store",
		description: "Replaces the pairs that are open; what was decided stays. It takes a while where there are many.",
		body:        jsonBody(s.document, findInput{Entity: "customer"}),
		status:      http.StatusOK, result: jsonBody(s.document, foundPairs{Found: 12}), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[findInput](c)
			if err != nil {
				return answer{}, err
			}
			if err := c.permitMerging(crm.Kind(in.Entity)); err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				n, err := duplicate.Find(ctx, tx, crm.Kind(in.Entity))
				if err != nil {
					return answer{}, err
				}
				return respond(http.StatusOK, foundPairs{Found: n})
			})
		},
	}
}

func (s *server) listDuplicates() operation {
	statuses := make([]string, 0, len(duplicate.Statuses()))
	for _, status := range duplicate.Statuses() {
		statuses = append(statuses, string(status))
	}
	return operation{
		id: "list-duplicates", needs: maySome(access.Merge), tag: "duplicates", summary: "List pairs that may be one", description: "The surest first.",
		parameters: append([]*huma.Param{
			choiceParameter("entity", "Those of this kind.", comparedNames()),
			choiceParameter("status", "Those of which this was decided.", statuses),
			idParameter("entity_id", "Those of which this is one."),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[duplicate.Pair]{Items: []duplicate.Pair{pairExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			f := duplicate.Filter{
				Kind: crm.Kind(c.choiceIn("entity", comparedNames(), &faults)), Status: duplicate.Status(c.choiceIn("status", statuses, &faults)),
				Entity: c.idIn("entity_id", &faults), After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			kinds := crm.Matched()
			if f.Kind != "" {
				kinds = []crm.Kind{f.Kind}
			}
			if err := c.permitMerging(kinds...); err != nil {
				return answer{}, err
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[duplicate.Pair], error) { return duplicate.List(ctx, tx, f) })
		},
	}
}

func (s *server) dismissDuplicate() operation {
	dismiss := writeOnID(s, duplicate.Dismiss)
	return operation{
		id: "dismiss-duplicate", needs: maySome(access.Merge), tag: "duplicates", summary: "Say that the two are two", description: "They stay so when duplicates are found anew.",
		status: http.StatusOK, result: jsonBody(s.document, pairExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			if err := c.permitMerging(crm.Matched()...); err != nil {
				return answer{}, err
			}
			return dismiss(ctx, c)
		},
	}
}

func (s *server) listMerges() operation {
	return operation{
		id: "list-merges", needs: maySome(access.Merge), tag: "duplicates", summary: "List merges", description: "Newest first, at most 200. Where a deleted entity went to is found by its id.",
		parameters: []*huma.Param{idParameter("entity_id", "Those that it took part in, on either side.")},
		status:     http.StatusOK, result: jsonBody(s.document, list[duplicate.Merge]{Items: []duplicate.Merge{mergeExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			of := c.idIn("entity_id", &faults)
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			if err := c.permitMerging(duplicate.Mergeable()...); err != nil {
				return answer{}, err
			}
			return listedAll(ctx, s, c, nil, func(tx pgx.Tx) ([]duplicate.Merge, error) { return duplicate.Merges(ctx, tx, of, maxLimit) })
		},
	}
}

func (s *server) undoMerge() operation {
	return operation{
		id: "undo-merge", needs: maySome(access.Merge), tag: "duplicates", summary: "Make two again of what was merged",
		description: "The loser is there again, with the references and links that nobody has changed since; the survivor's fields get back what they had. The answer lists what stays.",
		status:      http.StatusOK, result: jsonBody(s.document, duplicate.Unmerged{
			Merge: mergeExample(), Fields: []string{"phone"}, References: []crm.Moved{}, Links: []duplicate.LinkMoved{},
		}), keyed: true,
		problems: []int{http.StatusUnprocessableEntity},
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			if err := c.permitMerging(duplicate.Mergeable()...); err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				return ok(s.editor.Unmerge(ctx, tx, c.author(), id))
			})
		},
	}
}

func matchExample() duplicate.Match {
	id := uuid.MustParse(exampleID)
	return duplicate.Match{
		ID: &id, Title: "Northwind Traders Ltd", Owner: "Erika Muster", Class: match.Same, Score: 120,
		Reasons: []match.Reason{{Kind: match.Phone, Score: 60}, {Kind: match.Name, Score: 60}},
	}
}

func pairExample() duplicate.Pair {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return duplicate.Pair{
		ID: uuid.MustParse(exampleID), Kind: crm.KindCustomer, A: uuid.MustParse(exampleID), B: uuid.MustParse(exampleID), Score: 70,
		Reasons: []match.Reason{{Kind: match.Name, Score: 60}, {Kind: match.City, Score: 10}}, Status: duplicate.Open, CreatedAt: at, UpdatedAt: at, UpdatedBy: exampleActor,
	}
}

func mergeExample() duplicate.Merge {
	id := uuid.MustParse(exampleID)
	return duplicate.Merge{
		ID: id, Kind: crm.KindCustomer, SurvivorID: id, LoserID: id, References: []crm.Moved{{Kind: crm.KindOrder, ID: id, Field: "customer_id"}},
		Links: []duplicate.LinkMoved{{ID: id, ConnectionID: id, RemoteID: "1001", Moved: true}}, Attachments: []uuid.UUID{}, MergedAt: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC), MergedBy: exampleActor,
	}
}
