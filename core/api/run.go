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
	"crmhub/core/job"
	"crmhub/core/postgres"
)

func (s *server) listRuns() operation {
	statuses := []string{"queued", "running", "paused", "succeeded", "suspect", "failed", "cancelled"}
	return operation{
		id: "list-runs", needs: may(access.DeadLetters, access.Read), tag: "jobs", summary: "List runs", description: "Newest first.",
		parameters: append([]*huma.Param{
			idParameter("job_id", "Those of this job."),
			idParameter("connection_id", "Those of this connection."),
			choiceParameter("status", "Those that stand there.", statuses),
			queryParameter("stuck", "Only those that execute and have not moved for ten minutes.", &huma.Schema{Type: huma.TypeBoolean, Default: false}, true),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[job.Run]{Items: []job.Run{runExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			f := job.RunFilter{
				Job: c.idIn("job_id", &faults), Connection: c.idIn("connection_id", &faults),
				Status: job.RunStatus(c.choiceIn("status", statuses, &faults)),
				Stuck:  c.choiceIn("stuck", []string{"true", "false"}, &faults) == "true",
				After:  c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[job.Run], error) { return job.ListRuns(ctx, tx, f) })
		},
	}
}

func (s *server) getRun() operation {
	return operation{
		id: "get-run", needs: may(access.DeadLetters, access.Read), tag: "jobs", summary: "Get a run", description: "Its counts grow while it executes.",
		status: http.StatusOK, result: jsonBody(s.document, runExample()),
		serve: onID(s, job.GetRun),
	}
}

func (s *server) cancelRun() operation {
	return operation{
		id: "cancel-run", needs: may(access.Jobs, access.Run), tag: "jobs", summary: "Cancel a run",
		description: "A queued or paused run ends; one that executes ends after its page. One that has ended stays as it is.",
		status:      http.StatusOK, result: jsonBody(s.document, runExample()), keyed: true,
		serve: writeOnID(s, job.RequestCancel),
	}
}

func (s *server) pauseRun() operation {
	return s.actOnRun("pause", "Pause a run", job.RequestPause,
		"One that executes stops after its page and keeps its place, whatever is restarted meanwhile. No other regular run of its job begins until it is resumed or cancelled.")
}

func (s *server) resumeRun() operation {
	return s.actOnRun("resume", "Resume a run", job.ResumeRun,
		"A paused run goes on from where it stopped; so does a backfill or a replay that failed.")
}

func (s *server) acceptRun() operation {
	return s.actOnRun("accept", "Accept a suspect run", job.Accept,
		"Says that what it found is right, though it is far less than usual. Queues a run that believes it, and returns that one.")
}

func (s *server) discardRun() operation {
	return s.actOnRun("discard", "Discard a suspect run", job.Discard,
		"Says that what it found is not right. The next run begins anew and doubts as before.")
}

// actOnRun does what makes sense only while a run stands in certain places.
func (s *server) actOnRun(verb, summary string, act func(context.Context, pgx.Tx, uuid.UUID) (job.Run, error), description string) operation {
	return operation{
		id: verb + "-run", needs: may(access.Jobs, access.Run), tag: "jobs", summary: summary, description: description,
		status: http.StatusOK, result: jsonBody(s.document, runExample()), keyed: true,
		serve: writeOnID(s, act),
	}
}

func (s *server) listRunLines() operation {
	levels := []string{string(job.Info), string(job.Warn), string(job.Error)}
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return operation{
		id: "list-run-lines", needs: may(access.DeadLetters, access.Read), tag: "jobs", summary: "Read a run's log",
		description: "In order: its life, what was tried again, and the cause of each record that failed, up to a thousand lines.",
		parameters:  append([]*huma.Param{choiceParameter("level", "Lines of this level.", levels)}, pageParameters()...),
		status:      http.StatusOK,
		result:      jsonBody(s.document, list[job.Line]{Items: []job.Line{{Seq: 2, At: at, Level: job.Warn, Message: "schema: /invoice_date: must be a string", RemoteID: "2231"}}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			var faults parameterFaults
			level, limit := job.Level(c.choiceIn("level", levels, &faults)), parseLimit(c.query, &faults)
			var after int64
			if text := c.query.Get(afterParameter); text != "" {
				if after, err = strconv.ParseInt(text, 10, 64); err != nil {
					faults.add(afterParameter, "cursor", "is not what a list gave as next")
				}
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (p postgres.Page[job.Line], err error) {
				if _, err := job.GetRun(ctx, tx, id); err != nil {
					return p, err
				}
				lines, err := job.Lines(ctx, tx, id, after, level, limit+1)
				return postgres.Cut(lines, limit, func(l job.Line) string { return strconv.FormatInt(l.Seq, 10) }), err
			})
		},
	}
}

func runExample() job.Run {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	ended := at.Add(3 * time.Second)
	return job.Run{
		ID: uuid.MustParse(exampleID), JobID: uuid.MustParse(exampleID), Purpose: job.Regular, Trigger: job.BySchedule, Status: job.Succeeded,
		Counts:   job.Counts{Read: 120, Created: 3, Updated: 17, Unchanged: 99, Failed: 1, Expected: 120},
		QueuedAt: at, QueuedBy: exampleActor, StartedAt: &at, ProgressAt: &ended, FinishedAt: &ended,
	}
}
