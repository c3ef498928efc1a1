package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/job"
)

func (s *server) listRuns() operation {
	statuses := []string{"queued", "running", "succeeded", "suspect", "failed", "cancelled"}
	return operation{
		id: "list-runs", needs: may(access.DeadLetters, access.Read), tag: "jobs", summary: "List runs", description: "Newest first.",
		parameters: append([]*huma.Param{
			idParameter("job_id", "Those of this job."),
			idParameter("connection_id", "Those of this connection."),
			choiceParameter("status", "Those that stand there.", statuses),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[job.Run]{Items: []job.Run{runExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			f := job.RunFilter{
				Job: c.idIn("job_id", &faults), Connection: c.idIn("connection_id", &faults),
				Status: job.RunStatus(c.choiceIn("status", statuses, &faults)),
				After:  c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			var found job.RunPage
			err := s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
				found, err = job.ListRuns(ctx, tx, f)
				return err
			})
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, page(c, found.Items, found.Next))
		},
	}
}

func (s *server) getRun() operation {
	return operation{
		id: "get-run", needs: may(access.DeadLetters, access.Read), tag: "jobs", summary: "Get a run", description: "Its counts grow while it executes.",
		status: http.StatusOK, result: jsonBody(s.document, runExample()),
		serve: s.onID(func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (any, error) { return job.GetRun(ctx, tx, id) }),
	}
}

func (s *server) cancelRun() operation {
	return operation{
		id: "cancel-run", needs: may(access.Jobs, access.Run), tag: "jobs", summary: "Cancel a run",
		description: "A queued run ends; one that executes ends after its page. One that has ended stays as it is.",
		status:      http.StatusOK, result: jsonBody(s.document, runExample()), keyed: true,
		serve: s.writeOnID(func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (any, error) {
			return job.RequestCancel(ctx, tx, id)
		}),
	}
}

func runExample() job.Run {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	ended := at.Add(3 * time.Second)
	return job.Run{
		ID: uuid.MustParse(exampleID), JobID: uuid.MustParse(exampleID), Trigger: job.BySchedule, Status: job.Succeeded,
		Counts:   job.Counts{Read: 120, Created: 3, Updated: 17, Unchanged: 99, Failed: 1, Expected: 120},
		QueuedAt: at, QueuedBy: exampleActor, StartedAt: &at, ProgressAt: &ended, FinishedAt: &ended,
	}
}
