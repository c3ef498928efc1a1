package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/bus"
	"crmhub/core/crm"
	"crmhub/core/journey"
	"crmhub/core/postgres"
)

func (s *server) showJourney() operation {
	return operation{
		id: "get-journey", needs: may(access.DeadLetters, access.Read), tag: "links", summary: "Tell what happened to an entity across systems",
		description: "Its changes, where they were published, what was said to other systems about it and what they answered, links, conflicts, dead letters, and " +
			"what was done about them, the oldest first; of a deleted one too. A change appears here within a second. Bodies carry no secrets; who does not see all " +
			"fields of the entity sees the names in them, and only those values that the mapping joins to a field that he sees and that is not personal. Needs the permission to read the entity, too.",
		parameters: append([]*huma.Param{
			required(choiceParameter("entity", "The kind of entity.", kindNames())),
			idParameter("id", "Which one; this or its number."),
			queryParameter("number", "Its number, code or sku instead of the id.", &huma.Schema{Type: huma.TypeString}, "SO-2026-0042"),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[journey.Step]{Items: journeyExample()}), problems: []int{http.StatusNotFound},
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			kind := crm.Kind(c.choiceIn("entity", kindNames(), &faults))
			id, number := c.idIn("id", &faults), c.query.Get("number")
			f := journey.Filter{Entity: string(kind), After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults)}
			if !c.query.Has("entity") {
				faults.add("entity", "required", "is required")
			}
			if c.query.Has("id") == c.query.Has("number") {
				faults.add("id", "required", "is required, or a number instead of it")
			}
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			if err := c.permit(kind, access.Read); err != nil {
				return answer{}, err
			}
			var found postgres.Page[journey.Step]
			err := s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
				if number != "" {
					if id, err = s.CRM.FindNamed(ctx, tx, kind, number); err != nil {
						return err
					}
				}
				known, err := s.CRM.Get(ctx, tx, kind, []uuid.UUID{id})
				if err != nil {
					return err
				}
				if known[id] == nil {
					return notFound()
				}
				f.EntityID = id
				if found, err = journey.Read(ctx, tx, bus.Topic, f); err != nil {
					return err
				}
				return journey.SightIn(ctx, tx, c.who.Permissions, string(kind), s.Revisions).Mask(found.Items)
			})
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, page(c, found.Items, found.Next))
		},
	}
}

// required marks a parameter that must be there.
func required(p *huma.Param) *huma.Param {
	p.Required = true
	return p
}

func journeyExample() []journey.Step {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	connection := uuid.MustParse(exampleID)
	partition, offset := int32(3), int64(1042)
	return []journey.Step{
		{At: at, Kind: journey.Change, Version: 2, Action: "updated", Actor: exampleActor, Detail: json.RawMessage(`{"status":["draft","confirmed"]}`)},
		{At: at.Add(12 * time.Millisecond), Kind: journey.Published, Version: 2, Topic: "crmhub.order.v1", Partition: &partition, Offset: &offset},
		{
			At: at.Add(90 * time.Millisecond), Kind: journey.Pushed, Version: 2, Action: "update", Outcome: "linked", ConnectionID: &connection, RemoteID: "1001",
			MappingVersion: "5f0c2a9b7d11",
			Exchanges: []journey.Exchange{{
				At: at.Add(40 * time.Millisecond), Purpose: "update", Milliseconds: 31, Method: "PUT", Path: "/api/orders/1001", Status: 200,
				Request: `{"state":"confirmed"}`, Response: `{"id":1001,"state":"confirmed"}`,
			}},
		},
	}
}
