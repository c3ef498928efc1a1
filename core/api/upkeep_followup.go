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
	"crmhub/core/upkeep"
)

func (s *server) listFollowUps() operation {
	whys := make([]string, 0, len(upkeep.Sources()))
	for _, source := range upkeep.Sources() {
		whys = append(whys, string(source.Why))
	}
	whose := []string{"mine", "all"}
	return operation{
		id: "list-follow-ups", needs: maySome(access.Read), tag: "upkeep", summary: "List what is to be seen to",
		description: "The longest due first: open tasks and their reminders, customers to speak with, opportunities expected to close, contracts that end within thirty days, " +
			"tickets that wait, instalments and invoices not paid, and customers about to fall into the pool. Of what the caller sees; without a parameter, his own.",
		parameters: append([]*huma.Param{
			choiceParameter("whose", "mine: the caller's; all: whatever he sees.", whose),
			idParameter("owner_id", "This user's, as far as the caller sees them."),
			choiceParameter("why", "Those for this reason.", whys),
			queryParameter("until", "The last day that counts; today if left out.", &huma.Schema{Type: huma.TypeString, Format: "date"}, "2026-09-07"),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[upkeep.FollowUp]{Items: []upkeep.FollowUp{followUpExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			owner, all := c.idIn("owner_id", &faults), c.choiceIn("whose", whose, &faults) == "all"
			if all && owner != uuid.Nil {
				faults.add("owner_id", "not", "is for somebody's, and whose=all is everybody's")
			}
			if owner == uuid.Nil && !all {
				owner = c.who.UserID
			}
			ask := upkeep.AskOf(c.who, upkeep.Why(c.choiceIn("why", whys, &faults)), owner)
			ask.After, ask.Limit = c.query.Get(afterParameter), parseLimit(c.query, &faults)
			if c.query.Has("until") {
				until, err := crm.ParseDate(c.query.Get("until"))
				if err != nil || until.Time().Year() < 1 {
					faults.add("until", "format", "must be a date like 2026-09-07")
				}
				ask.Until = &until
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (p postgres.Page[upkeep.FollowUp], err error) {
				p, err = s.upkeep.FollowUps(ctx, tx, ask)
				for i := range p.Items {
					p.Items[i].Veil(c.who)
				}
				return p, err
			})
		},
	}
}

func followUpExample() upkeep.FollowUp {
	id := uuid.MustParse(exampleID)
	return upkeep.FollowUp{
		Why: upkeep.WhyTask, Kind: crm.KindTask, ID: id, Title: "Send the offer", At: time.Date(2026, 9, 1, 15, 0, 0, 0, time.UTC), Overdue: true,
		CustomerID: &id, Customer: "Northwind Traders Ltd", OwnerID: &id,
	}
}
