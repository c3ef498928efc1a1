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
	"crmhub/core/postgres"
)

// What sales and marketing read besides the entities themselves.

func (s *server) listStages() operation {
	at := time.Date(2026, 9, 2, 9, 30, 0, 0, time.UTC)
	spent := int64(90_000)
	example := crm.StageChange{At: at, By: exampleActor, PipelineID: uuid.MustParse(exampleID), From: "qualify", To: "proposal", Seconds: &spent}
	return operation{
		id: "list-opportunity-stages", needs: may(access.Resource(crm.KindOpportunity), access.Read), tag: "entities", summary: "List the stages an opportunity went through", description: "The first one first.",
		status: http.StatusOK, result: jsonBody(s.document, list[crm.StageChange]{Items: []crm.StageChange{example}}),
		serve: onID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (list[crm.StageChange], error) {
			stages, err := s.CRM.Stages(ctx, tx, id)
			return list[crm.StageChange]{Items: stages}, err
		}),
	}
}

func (s *server) listCampaignEvents() operation {
	at := time.Date(2026, 9, 2, 9, 30, 0, 0, time.UTC)
	example := crm.CampaignEvent{ID: uuid.MustParse(exampleID), MemberID: uuid.MustParse(exampleID), At: at, By: exampleActor, Type: "responded", Detail: "Please call me."}
	return operation{
		id: "list-campaign-events", needs: may(access.Resource(crm.KindCampaign), access.Read), tag: "entities", summary: "List what happened in a campaign", description: "The newest first: which member came to which status.",
		parameters: pageParameters(),
		status:     http.StatusOK, result: jsonBody(s.document, list[crm.CampaignEvent]{Items: []crm.CampaignEvent{example}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			var faults parameterFaults
			limit := parseLimit(c.query, &faults)
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[crm.CampaignEvent], error) {
				return s.CRM.CampaignEvents(ctx, tx, id, c.query.Get(afterParameter), limit)
			})
		},
	}
}

func (s *server) listSegmentMembers(of entities) operation {
	return operation{
		id: "list-segment-members", needs: may(access.Resource(crm.KindSegment), access.Read), tag: "entities", summary: "List the members of a segment",
		description: "The customers or contacts that are in it now, newest change first. A rule is evaluated with each call.",
		parameters:  pageParameters(),
		status:      http.StatusOK, result: &content{
			mediaType: jsonType,
			schema: &huma.Schema{Type: huma.TypeObject, Required: []string{"items"}, Properties: map[string]*huma.Schema{
				"items": {Type: huma.TypeArray, Items: &huma.Schema{AnyOf: []*huma.Schema{
					reference(componentName(crm.KindCustomer)), reference(componentName(crm.KindContact)),
				}}},
				"next": {Type: huma.TypeString, Format: "uri-reference", Description: "Where the next page is; absent on the last one."},
			}},
			example: map[string]any{"items": []any{of.shown}},
		},
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			q, faults := parseEntityQuery(c.query)
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			var found postgres.Page[crm.Entity]
			err = s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
				found, err = s.CRM.SegmentMembers(ctx, tx, id, func(k crm.Kind) crm.Query {
					of := access.Resource(k)
					return crm.Query{After: q.After, Limit: q.Limit, Owners: c.who.Owners(of, access.Read), Blind: c.who.Blind(of)}
				})
				return err
			})
			if err != nil {
				return answer{}, q.refused(err)
			}
			items := make([]any, len(found.Items))
			for i, entity := range found.Items {
				if items[i], err = c.seen(entity); err != nil {
					return answer{}, err
				}
			}
			return respond(http.StatusOK, page(c, items, found.Next))
		},
	}
}
