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
	"crmhub/core/schema"
)

type jobInput struct {
	ConnectionID string   `json:"connection_id" format:"uuid" doc:"Where it reads or writes."`
	Kind         string   `json:"kind" enum:"pull,push,reconcile,match" doc:"pull reads what changed there; push sends what is behind; reconcile reads all there and says what differs; match reads all there and proposes what is the same."`
	Entity       string   `json:"entity" doc:"What it carries." example:"order"`
	Name         string   `json:"name,omitempty" doc:"For people; given when left out."`
	Schedule     string   `json:"schedule,omitempty" doc:"Five cron fields, or @hourly, @every 10m and alike; without one it runs when asked."`
	TimeZone     string   `json:"time_zone,omitempty" doc:"IANA name the schedule is meant in; UTC when left out."`
	Overlap      string   `json:"overlap,omitempty" enum:"skip,queue,cancel_old" doc:"What a due time does while the last run has not ended; skip when left out."`
	Misfire      string   `json:"misfire,omitempty" enum:"none,once,all" doc:"What becomes of times that passed while the hub was down: forgotten, one run, or a run each, at most 100; once when left out."`
	Jitter       int      `json:"jitter_seconds,omitempty" minimum:"0" maximum:"3600" doc:"The job has a delay of its own below it, always the same, so that not all begin in one second."`
	After        []string `json:"after,omitempty" maxItems:"100" doc:"The ids of jobs that come first: a run waits while one of theirs is queued or executes."`
}

type jobPatch struct {
	Name     *string   `json:"name,omitempty" minLength:"1" doc:"For people."`
	Schedule *string   `json:"schedule,omitempty" nullable:"true" doc:"As when created; null takes it away."`
	TimeZone *string   `json:"time_zone,omitempty" doc:"IANA name the schedule is meant in."`
	Overlap  *string   `json:"overlap,omitempty" enum:"skip,queue,cancel_old" doc:"As when created."`
	Misfire  *string   `json:"misfire,omitempty" enum:"none,once,all" doc:"As when created."`
	Jitter   *int      `json:"jitter_seconds,omitempty" minimum:"0" maximum:"3600" doc:"As when created."`
	After    *[]string `json:"after,omitempty" nullable:"true" maxItems:"100" doc:"As when created; null takes them away."`
}

// backfill is a range to be pulled once more.
type backfill struct {
	From string `json:"from,omitempty" format:"date-time" doc:"What changed last then or later; from the beginning when left out."`
	To   string `json:"to,omitempty" format:"date-time" doc:"What changed last before; to the end when left out."`
}

func (s *server) listJobs() operation {
	return operation{
		id: "list-jobs", needs: may(access.Jobs, access.Read), tag: "jobs", summary: "List jobs",
		parameters: []*huma.Param{idParameter("connection_id", "Those of this connection.")},
		status:     http.StatusOK, result: jsonBody(s.document, list[job.Job]{Items: []job.Job{jobExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			of := c.idIn("connection_id", &faults)
			return listedAll(ctx, s, c, faults, func(tx pgx.Tx) ([]job.Job, error) { return s.Jobs.List(ctx, tx, of) })
		},
	}
}

func (s *server) addJob() operation {
	return operation{
		id: "add-job", needs: may(access.Jobs, access.Create), tag: "jobs", summary: "Add a job",
		body:   jsonBody(s.document, jobInput{ConnectionID: exampleID, Kind: "pull", Entity: "order", Schedule: "*/15 * * * *", TimeZone: "Europe/Berlin"}),
		status: http.StatusCreated, result: jsonBody(s.document, jobExample()), located: true, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[jobInput](c)
			if err != nil {
				return answer{}, err
			}
			of, err := parseID("/connection_id", in.ConnectionID)
			if err != nil {
				return answer{}, err
			}
			after, err := parseIDs("/after", in.After)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				added, err := s.Jobs.Create(ctx, tx, job.New{
					ConnectionID: of, Name: in.Name, Kind: job.Kind(in.Kind), Entity: in.Entity, Timing: job.Timing{
						Schedule: in.Schedule, TimeZone: in.TimeZone, Overlap: job.Overlap(in.Overlap), Misfire: job.Misfire(in.Misfire),
						JitterSeconds: in.Jitter, After: after,
					},
				})
				if err != nil {
					return answer{}, err
				}
				return created("/jobs", added.ID, added)
			})
		},
	}
}

func (s *server) getJob() operation {
	return operation{
		id: "get-job", needs: may(access.Jobs, access.Read), tag: "jobs", summary: "Get a job",
		status: http.StatusOK, result: jsonBody(s.document, jobExample()),
		serve: onID(s, s.Jobs.Get),
	}
}

func (s *server) patchJob() operation {
	hourly := "@hourly"
	return operation{
		id: "update-job", needs: may(access.Jobs, access.Update), tag: "jobs", summary: "Change a job's name or timing",
		description: "A JSON merge patch (RFC 7396). Jobs have no versions: the last change wins.",
		body:        mergePatchBody(s.document, jobPatch{Schedule: &hourly}),
		status:      http.StatusOK, result: jsonBody(s.document, jobExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			patch, err := c.object()
			if err != nil {
				return answer{}, err
			}
			if err := idsIn(patch, "after"); err != nil {
				return answer{}, err
			}
			return writeOnID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (changed job.Job, err error) {
				old, err := s.Jobs.Get(ctx, tx, id)
				if err != nil {
					return changed, err
				}
				was, err := object(job.Change{Name: old.Name, Timing: old.Timing})
				if err != nil {
					return changed, err
				}
				merged, _ := schema.MergePatch(was, patch).(map[string]any)
				change, err := as[job.Change](merged)
				if err != nil {
					return changed, err
				}
				return s.Jobs.Update(ctx, tx, id, change)
			})(ctx, c)
		},
	}
}

func (s *server) deleteJob() operation {
	return operation{
		id: "delete-job", needs: may(access.Jobs, access.Delete), tag: "jobs", summary: "Delete a job",
		description: "Its runs and their logs go with it, unless one executes. What they brought stays, and the place that a pull had reached: a job made for the same again goes on there.",
		status:      http.StatusNoContent, keyed: true, problems: []int{http.StatusConflict},
		serve: s.deleteOnID(s.Jobs.Delete),
	}
}

func (s *server) pauseJob() operation {
	return operation{
		id: "pause-job", needs: may(access.Jobs, access.Update), tag: "jobs", summary: "Pause a job", description: "Its schedule does not count until it is resumed. A run that executes goes on.",
		status: http.StatusOK, result: jsonBody(s.document, jobExample()), keyed: true,
		serve: writeOnID(s, s.Jobs.Pause),
	}
}

func (s *server) resumeJob() operation {
	return operation{
		id: "resume-job", needs: may(access.Jobs, access.Update), tag: "jobs", summary: "Resume a job", description: "Its schedule counts again, from now on.",
		status: http.StatusOK, result: jsonBody(s.document, jobExample()), keyed: true,
		serve: writeOnID(s, s.Jobs.Resume),
	}
}

func (s *server) runJob() operation {
	return operation{
		id: "run-job", needs: may(access.Jobs, access.Run), tag: "jobs", summary: "Run a job now",
		description: "Queues a run and returns it. While one is queued already, that one is returned.",
		status:      http.StatusAccepted, result: jsonBody(s.document, runExample()), located: true, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				queued, err := job.Enqueue(ctx, tx, id, job.ByHand)
				if err != nil {
					return answer{}, err
				}
				return accepted("/runs", queued.ID, queued)
			})
		},
	}
}

func (s *server) backfillJob() operation {
	return operation{
		id: "backfill-job", needs: may(access.Jobs, access.Run), tag: "jobs", summary: "Pull a range once more",
		description: "Queues a run that reads what changed last in a range, or everything, beside the job's own cursor, which stays. " +
			"The same range asked for twice is one run. Not every stream can be read so: then only everything can.",
		body:   jsonBody(s.document, backfill{From: "2026-01-01T00:00:00Z", To: "2026-02-01T00:00:00Z"}),
		status: http.StatusAccepted, result: jsonBody(s.document, runExample()), located: true, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			in, err := decode[backfill](c)
			if err != nil {
				return answer{}, err
			}
			var wanted job.Range
			var faults schema.Violations
			wanted.From, faults = instantOf("/from", in.From, faults)
			if wanted.To, faults = instantOf("/to", in.To, faults); len(faults) > 0 {
				return answer{}, faults
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				queued, err := s.Jobs.Backfill(ctx, tx, id, wanted)
				if err != nil {
					return answer{}, err
				}
				return accepted("/runs", queued.ID, queued)
			})
		},
	}
}

func (s *server) runConnection() operation {
	return operation{
		id: "run-connection", needs: may(access.Jobs, access.Run), tag: "jobs", summary: "Pull everything of a connection, in order",
		description: "Queues a run of each active pull of the connection. They execute in the order that the jobs name.",
		status:      http.StatusAccepted, result: jsonBody(s.document, list[job.Run]{Items: []job.Run{runExample()}}), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				if _, err := s.Connections.Get(ctx, tx, id); err != nil {
					return answer{}, err
				}
				queued, err := s.Jobs.EnqueueAll(ctx, tx, id, job.Pull)
				if err != nil {
					return answer{}, err
				}
				return respond(http.StatusAccepted, page(c, queued, ""))
			})
		},
	}
}

// idsIn reports the ids that are none of a list in a patch.
func idsIn(patch map[string]any, name string) error {
	some, _ := patch[name].([]any)
	texts := make([]string, len(some))
	for i, v := range some {
		texts[i], _ = v.(string)
	}
	_, err := parseIDs("/"+name, texts)
	return err
}

// instantOf reads an instant in a body; nil if it is left out.
func instantOf(pointer, text string, faults schema.Violations) (*time.Time, schema.Violations) {
	if text == "" {
		return nil, faults
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return nil, append(faults, schema.Violation{Pointer: pointer, Rule: "format", Message: "must be a time like 2006-01-02T15:04:05Z"})
	}
	return &at, faults
}

func jobExample() job.Job {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	next := at.Add(15 * time.Minute)
	return job.Job{
		ID: uuid.MustParse(exampleID), ConnectionID: uuid.MustParse(exampleID), Name: "pull order", Kind: job.Pull, Entity: "order",
		Timing: job.Timing{
			Schedule: "*/15 * * * *", TimeZone: "Europe/Berlin", Overlap: job.Skip, Misfire: job.MisfireOnce, JitterSeconds: 30,
			After: []uuid.UUID{uuid.MustParse(exampleID)},
		},
		Status: job.Active, NextRunAt: &next,
		CreatedAt: at, CreatedBy: exampleActor, UpdatedAt: at,
	}
}
