package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/postgres"
	"crmhub/core/reconcile"
)

type reconciliationInput struct {
	ConnectionID string `json:"connection_id" format:"uuid" doc:"Which system is compared with this one."`
	Entity       string `json:"entity" doc:"What is compared." example:"order"`
}

type mendInput struct {
	Action string   `json:"action" enum:"push,pull,link,unlink" doc:"push: ours is right. pull: theirs is right. link: the two are one. unlink: they are not, or the record is gone for good."`
	IDs    []string `json:"ids,omitempty" minItems:"1" maxItems:"500" doc:"These differences."`
	Kind   string   `json:"kind,omitempty" enum:"missing_here,missing_there,different,unlinked,duplicate,unreadable" doc:"Instead: the open ones of this kind, 500 at a time."`
	After  string   `json:"after,omitempty" format:"uuid" doc:"Where to go on: next of the answer before."`
}

type ignoreInput struct {
	IDs    []string `json:"ids,omitempty" minItems:"1" maxItems:"500" doc:"These differences."`
	Kind   string   `json:"kind,omitempty" enum:"missing_here,missing_there,different,unlinked,duplicate,unreadable" doc:"Instead: the open ones of this kind, 500 at a time."`
	After  string   `json:"after,omitempty" format:"uuid" doc:"Where to go on: next of the answer before."`
	Reason string   `json:"reason" minLength:"1" maxLength:"1000" doc:"Why it does not matter."`
}

func textsOf[T ~string](all []T) []string {
	texts := make([]string, len(all))
	for i, t := range all {
		texts[i] = string(t)
	}
	return texts
}

func (s *server) listReconciliations() operation {
	verdicts := textsOf(reconcile.Verdicts())
	return operation{
		id: "list-reconciliations", needs: may(access.DeadLetters, access.Read), tag: "reconciliations", summary: "List reconciliations", description: "Newest first.",
		parameters: append([]*huma.Param{
			idParameter("connection_id", "Those of this connection."),
			choiceParameter("entity", "Those of this kind of entity.", kindNames()),
			choiceParameter("verdict", "Those that ended so.", verdicts),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[reconcile.Reconciliation]{Items: []reconcile.Reconciliation{reconciliationExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			f := reconcile.Filter{
				Connection: c.idIn("connection_id", &faults), Entity: c.choiceIn("entity", kindNames(), &faults),
				Verdict: reconcile.Verdict(c.choiceIn("verdict", verdicts, &faults)),
				After:   c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[reconcile.Reconciliation], error) { return reconcile.List(ctx, tx, f) })
		},
	}
}

func (s *server) startReconciliation() operation {
	return operation{
		id: "start-reconciliation", needs: may(access.Jobs, access.Run), tag: "reconciliations", summary: "Compare both sides now",
		description: "Queues a run that reads all of the other side and compares it with this one. While one is queued already, that one is returned. " +
			"Its reconciliation appears in the list when it begins.",
		body:   jsonBody(s.document, reconciliationInput{ConnectionID: exampleID, Entity: "order"}),
		status: http.StatusAccepted, result: jsonBody(s.document, runExample()), located: true, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[reconciliationInput](c)
			if err != nil {
				return answer{}, err
			}
			of, err := parseID("/connection_id", in.ConnectionID)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				queued, err := s.Jobs.EnqueueKind(ctx, tx, of, job.Reconcile, in.Entity)
				if err != nil {
					return answer{}, err
				}
				return accepted("/runs", queued.ID, queued)
			})
		},
	}
}

func (s *server) getReconciliation() operation {
	return operation{
		id: "get-reconciliation", needs: may(access.DeadLetters, access.Read), tag: "reconciliations", summary: "Get a reconciliation",
		description: "With counts, and sums per currency and month on both sides.",
		status:      http.StatusOK, result: jsonBody(s.document, reconciliationExample()),
		serve: onID(s, reconcile.Get),
	}
}

func (s *server) listDifferences() operation {
	kinds, states := textsOf(reconcile.Kinds()), textsOf(reconcile.States())
	return operation{
		id: "list-differences", needs: may(access.DeadLetters, access.Read), tag: "reconciliations", summary: "List what differs",
		description: "Values of fields that are hidden from you are null.",
		parameters: append([]*huma.Param{
			choiceParameter("kind", "Those of this kind.", kinds),
			choiceParameter("state", "Those that stand there.", states),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[reconcile.Difference]{Items: []reconcile.Difference{differenceExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			var faults parameterFaults
			f := reconcile.DifferenceFilter{
				Kind: reconcile.Kind(c.choiceIn("kind", kinds, &faults)), State: reconcile.State(c.choiceIn("state", states, &faults)),
				After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (found postgres.Page[reconcile.Difference], err error) {
				of, err := reconcile.Get(ctx, tx, id)
				if err != nil {
					return found, err
				}
				found, err = reconcile.Differences(ctx, tx, id, f)
				for i := range found.Items {
					found.Items[i].Veil(func(field string) bool { return !c.who.Sees(access.Resource(of.Entity), field) })
				}
				return found, err
			})
		},
	}
}

func (s *server) mendDifferences() operation {
	return operation{
		id: "mend-differences", needs: may(access.DeadLetters, access.Run), tag: "reconciliations", summary: "Mend differences",
		description: "Each is handed to the push or the pull, which brings the two sides together soon; the next reconciliation tells. " +
			"What changed since it was found is refused, as is what is no open difference of this reconciliation.",
		body:   jsonBody(s.document, mendInput{Action: "push", Kind: "missing_there"}),
		status: http.StatusOK, result: jsonBody(s.document, doneExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[mendInput](c)
			if err != nil {
				return answer{}, err
			}
			return s.mend(ctx, c, reconcile.Errand{Action: reconcile.Action(in.Action), Kind: reconcile.Kind(in.Kind)}, in.IDs, in.After)
		},
	}
}

func (s *server) ignoreDifferences() operation {
	return operation{
		id: "ignore-differences", needs: may(access.DeadLetters, access.Update), tag: "reconciliations", summary: "Ignore differences",
		description: "For a reason, which is kept. The same difference stays ignored in later reconciliations.",
		body:        jsonBody(s.document, ignoreInput{IDs: []string{exampleID}, Reason: "The old system rounds down."}),
		status:      http.StatusOK, result: jsonBody(s.document, doneExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[ignoreInput](c)
			if err != nil {
				return answer{}, err
			}
			return s.mend(ctx, c, reconcile.Errand{Action: reconcile.Ignore, Kind: reconcile.Kind(in.Kind), Reason: in.Reason}, in.IDs, in.After)
		},
	}
}

func (s *server) mend(ctx context.Context, c *call, errand reconcile.Errand, ids []string, after string) (answer, error) {
	of, err := c.id()
	if err != nil {
		return answer{}, err
	}
	if errand.IDs, err = parseIDs("/ids", ids); err != nil {
		return answer{}, err
	}
	return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
		return ok(s.Reconciler.Mend(ctx, tx, of, errand, after))
	})
}

// reportType is the media type of a report file: JSON lines.
const reportType = "application/x-ndjson"

func (s *server) reconciliationReport() operation {
	return operation{
		id: "get-reconciliation-report", needs: may(access.Audit, access.Export), tag: "reconciliations", summary: "Get the signed report of a reconciliation",
		description: "JSON lines: counts and sums; each difference, whole; the hash of all that, signed with Ed25519. `crmhub reconcile verify` checks it.",
		status:      http.StatusOK, result: fileContent(`{"format":"crmhub.reconciliation.v1","verdict":"equal"}`+"\n", reportType), problems: []int{http.StatusConflict},
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			var of reconcile.Reconciliation
			names := reconcile.Names{Organization: c.who.Organization}
			err = s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) error {
				if of, err = reconcile.Get(ctx, tx, id); err != nil {
					return err
				}
				if of.Verdict == reconcile.Running {
					return reconcile.ErrRunning
				}
				connection, err := s.Connections.Get(ctx, tx, of.ConnectionID)
				names.Connection = connection.Code
				return err
			})
			if err != nil {
				return answer{}, err
			}
			return answer{Status: http.StatusOK, file: &file{
				name: "reconciliation " + names.Connection + " " + of.Entity + " " + of.StartedAt.Format(time.DateOnly) + ".jsonl", mediaType: reportType,
				send: func(w io.Writer) error {
					return s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) error {
						return reconcile.Report(ctx, tx, s.Key, names, id, s.now(), w)
					})
				},
			}}, nil
		},
	}
}

func reconciliationExample() reconcile.Reconciliation {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	ended := at.Add(41 * time.Second)
	return reconcile.Reconciliation{
		ID: uuid.MustParse(exampleID), ConnectionID: uuid.MustParse(exampleID), RunID: uuid.MustParse(exampleID), Entity: "order",
		Verdict: reconcile.Differs, MappingVersion: "9f86d081884c7d65",
		Counts: reconcile.Counts{Ours: 1200, Theirs: 1199, Equal: 1198, MissingThere: 1, Different: 1},
		Sums: []reconcile.Sum{{
			Currency: "EUR", Month: "2026-08", OursCount: 1200, Ours: decimal.RequireFromString("81200.50"),
			TheirsCount: 1199, Theirs: decimal.RequireFromString("81100.51"),
		}},
		StartedAt: at, StartedBy: exampleActor, FinishedAt: &ended,
	}
}

func differenceExample() reconcile.Difference {
	id := uuid.MustParse(exampleID)
	return reconcile.Difference{
		ID: id, ReconciliationID: id, Kind: reconcile.Different, EntityID: &id, RemoteID: "1001", Title: "SO-2026-0042",
		Fields:  []reconcile.Field{{Field: "remark", Ours: "Ring twice", Theirs: "Ring once", Agreed: "Ring once"}},
		Ours:    &reconcile.Amount{Currency: "EUR", Month: "2026-08", Amount: decimal.RequireFromString("100")},
		Theirs:  &reconcile.Amount{Currency: "EUR", Month: "2026-08", Amount: decimal.RequireFromString("100")},
		State:   reconcile.Open,
		FoundAt: time.Date(2026, 9, 1, 8, 0, 30, 0, time.UTC),
	}
}

func doneExample() reconcile.Done {
	return reconcile.Done{Done: 1, Refused: []link.Refused{{ID: uuid.MustParse(exampleID), Reason: "it was changed or synced since: reconcile again"}}}
}
