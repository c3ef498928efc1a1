package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// found is what a text finds in all kinds.
type found struct {
	Groups []foundGroup `json:"groups" nullable:"false" doc:"The kinds in which something was found."`
}

type foundGroup struct {
	Entity string    `json:"entity" doc:"The kind." example:"customer"`
	Hits   []crm.Hit `json:"hits" nullable:"false" doc:"The best first."`
}

const mostHits = 50

func (s *server) search() operation {
	least, most := 1.0, float64(mostHits)
	return operation{
		id: "search", needs: maySome(access.Read), tag: "search", summary: "Search all kinds",
		description: "A Latin word or a number is found by its beginning, Chinese by any part of it, a phone number however it is written; all words must be there. " +
			"The very code, number or name comes first, then names that begin with the text, names with it, others; the newest first among equals. " +
			"Of a text that very many have, those changed last are compared.",
		parameters: []*huma.Param{
			{Name: textParameter, In: "query", Required: true, Description: "What to look for.", Schema: &huma.Schema{Type: huma.TypeString}, Example: "northwind"},
			choiceParameter("entity", "This kind only.", kindNames()),
			queryParameter(limitParameter, "How many of a kind to return at most.", &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most, Default: 10}, 10),
		},
		status: http.StatusOK, result: jsonBody(s.document, found{Groups: []foundGroup{{Entity: "customer", Hits: []crm.Hit{{
			Kind: crm.KindCustomer, ID: uuid.MustParse(exampleID), Title: "Northwind Traders", Subtitle: "C-000042", Field: "name",
		}}}}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			text, kind := strings.TrimSpace(c.query.Get(textParameter)), c.choiceIn("entity", kindNames(), &faults)
			if text == "" {
				faults.add(textParameter, "required", "is required")
			}
			limit := 10
			if c.query.Has(limitParameter) {
				if limit = parseLimit(c.query, &faults); limit > mostHits {
					faults.add(limitParameter, "range", "must be at most 50")
				}
			}
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			all := found{Groups: []foundGroup{}}
			err := s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) error {
				for _, k := range crm.Kinds() {
					of := access.Resource(k)
					if kind != "" && kind != string(k) || c.who.May(of, access.Read) == "" {
						continue
					}
					hits, err := s.CRM.Search(ctx, tx, k, crm.Query{Text: text, Limit: limit, Owners: c.who.Owners(of, access.Read), Blind: c.who.Blind(of)})
					if err != nil {
						return err
					}
					if len(hits) > 0 {
						all.Groups = append(all.Groups, foundGroup{Entity: string(k), Hits: hits})
					}
				}
				return nil
			})
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, all)
		},
	}
}
