package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/postgres"
	"crmhub/core/report"
	"crmhub/core/schema"
)

// Target is a target as the API shows it.
type Target struct {
	ID           uuid.UUID  `json:"id"`
	OwnerID      *uuid.UUID `json:"owner_id,omitempty" doc:"Whose it is."`
	DepartmentID *uuid.UUID `json:"department_id,omitempty" doc:"Whose it is: of all in the department and below. Neither: the organization's."`
	Month        string     `json:"month" doc:"As in 2026-01."`
	Measure      string     `json:"measure" enum:"revenue,orders,invoiced,won"`
	Amount       string     `json:"amount" doc:"A number of orders where that is what is measured."`
	Currency     string     `json:"currency,omitempty" doc:"Absent where orders are counted."`
	CreatedAt    time.Time  `json:"created_at"`
	CreatedBy    string     `json:"created_by"`
	UpdatedAt    time.Time  `json:"updated_at"`
}

type targetInput struct {
	OwnerID      string `json:"owner_id,omitempty" format:"uuid" doc:"Whose it is, if a user's."`
	DepartmentID string `json:"department_id,omitempty" format:"uuid" doc:"Whose it is, if a department's. With neither it is the organization's."`
	Month        string `json:"month" pattern:"^[0-9]{4}-(0[1-9]|1[0-2])$" doc:"As in 2026-01."`
	Measure      string `json:"measure" enum:"revenue,orders,invoiced,won" doc:"Untaxed amount of orders booked, number of orders booked, untaxed amount invoiced, amount of opportunities won."`
	Amount       string `json:"amount" pattern:"^[0-9]{1,16}(\\.[0-9]{1,4})?$" doc:"A positive decimal; a whole number where orders are counted."`
	Currency     string `json:"currency,omitempty" pattern:"^[A-Z]{3}$" doc:"The organization's base currency if left out; not where orders are counted."`
}

type targetPatch struct {
	Amount string `json:"amount" pattern:"^[0-9]{1,16}(\\.[0-9]{1,4})?$" doc:"What to reach instead."`
}

func (s *server) listTargets() operation {
	return operation{
		id: "list-targets", needs: may(access.Targets, access.Read), tag: "reports", summary: "List targets", description: "The newest month first. What was achieved says the report targets.",
		parameters: []*huma.Param{
			queryParameter("month", "Those of this month.", &huma.Schema{Type: huma.TypeString, Pattern: "^[0-9]{4}-(0[1-9]|1[0-2])$"}, "2026-01"),
			idParameter("owner_id", "Those of this user."),
		},
		status: http.StatusOK, result: jsonBody(s.document, list[Target]{Items: []Target{targetExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			owner := c.idIn("owner_id", &faults)
			if c.query.Has("month") && c.query.Get("month") == "" {
				faults.add("month", "format", "must be a month like 2026-01")
			}
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			var of *uuid.UUID
			if owner != uuid.Nil {
				of = &owner
			}
			targets, err := postgres.Get(ctx, s.DB, c.who.Principal, func(tx pgx.Tx) ([]report.Target, error) { return s.reports.Targets(ctx, tx, c.query.Get("month"), of) })
			if err != nil {
				return answer{}, parametersAtFault(err)
			}
			shown := make([]Target, len(targets))
			for i, t := range targets {
				shown[i] = showTarget(t)
			}
			return respond(http.StatusOK, page(c, shown, ""))
		},
	}
}

func (s *server) addTarget() operation {
	return operation{
		id: "add-target", needs: may(access.Targets, access.Create), tag: "reports", summary: "Set a target",
		description: "One a month, measure, owner or department, and currency.",
		body:        jsonBody(s.document, targetInput{Month: "2026-01", Measure: "revenue", Amount: "50000", Currency: "EUR"}),
		status:      http.StatusCreated, result: jsonBody(s.document, targetExample()), located: true, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[targetInput](c)
			if err != nil {
				return answer{}, err
			}
			target := report.NewTarget{Month: in.Month, Measure: report.Measure(in.Measure), Currency: in.Currency}
			if target.OwnerID, err = parseOptionalID("/owner_id", in.OwnerID); err != nil {
				return answer{}, err
			}
			if target.DepartmentID, err = parseOptionalID("/department_id", in.DepartmentID); err != nil {
				return answer{}, err
			}
			if target.Amount, err = parseAmount(in.Amount); err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				added, err := s.reports.AddTarget(ctx, tx, target)
				if err != nil {
					return answer{}, err
				}
				return created("/targets", added.ID, showTarget(added))
			})
		},
	}
}

func (s *server) getTarget() operation {
	return operation{
		id: "get-target", needs: may(access.Targets, access.Read), tag: "reports", summary: "Get a target",
		status: http.StatusOK, result: jsonBody(s.document, targetExample()),
		serve: onID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Target, error) {
			t, err := s.reports.Target(ctx, tx, id)
			return showTarget(t), err
		}),
	}
}

func (s *server) patchTarget() operation {
	return operation{
		id: "update-target", needs: may(access.Targets, access.Update), tag: "reports", summary: "Change what a target asks for",
		description: "A JSON merge patch (RFC 7396). Targets have no versions: the last change wins. What a target is about never changes.",
		body:        mergePatchBody(s.document, targetPatch{Amount: "60000"}),
		status:      http.StatusOK, result: jsonBody(s.document, targetExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[targetPatch](c)
			if err != nil {
				return answer{}, err
			}
			amount, err := parseAmount(in.Amount)
			if err != nil {
				return answer{}, err
			}
			return writeOnID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Target, error) {
				t, err := s.reports.UpdateTarget(ctx, tx, id, amount)
				return showTarget(t), err
			})(ctx, c)
		},
	}
}

func (s *server) deleteTarget() operation {
	return operation{
		id: "delete-target", needs: may(access.Targets, access.Delete), tag: "reports", summary: "Take a target away",
		status: http.StatusNoContent, keyed: true,
		serve: s.deleteOnID(s.reports.RemoveTarget),
	}
}

func parseAmount(s string) (decimal.Decimal, error) {
	d, err := decimal.NewFromString(s)
	if err != nil {
		return d, schema.Violations{{Pointer: "/amount", Rule: "format", Message: `must be a decimal number in quotes, like "12.5"`}}
	}
	return d, nil
}

func showTarget(t report.Target) Target {
	return Target{
		ID: t.ID, OwnerID: t.OwnerID, DepartmentID: t.DepartmentID, Month: t.Month, Measure: string(t.Measure), Amount: t.Amount.String(), Currency: t.Currency,
		CreatedAt: t.CreatedAt, CreatedBy: t.CreatedBy, UpdatedAt: t.UpdatedAt,
	}
}

func targetExample() Target {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return Target{
		ID: uuid.MustParse(exampleID), Month: "2026-01", Measure: "revenue", Amount: "50000", Currency: "EUR",
		CreatedAt: at, CreatedBy: exampleActor, UpdatedAt: at,
	}
}
