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
	ConnectionID string `json:"connection_id" format:"uuid" doc:"Where it reads or writes."`
	Kind         string `json:"kind" enum:"pull,push,reconcile" doc:"pull reads what changed there; push sends what is behind; reconcile reads all there and says what differs."`
	Entity       string `json:"entity" doc:"What it carries." example:"order"`
	Name         string `json:"name,omitempty" doc:"For people; given when left out."`
	Schedule     string `json:"schedule,omitempty" doc:"Five cron fields, or @hourly, @every 10m and alike; without one it runs when asked."`
	TimeZone     string `json:"time_zone,omitempty" doc:"IANA name the schedule is meant in; UTC when left out."`
}

type jobPatch struct {
	Name     *string `json:"name,omitempty" minLength:"1" doc:"For people."`
	Schedule *string `json:"schedule,omitempty" nullable:"true" doc:"As when created; null takes it away."`
	TimeZone *string `json:"time_zone,omitempty" doc:"IANA name the schedule is meant in."`
}

func (s *server) listJobs() operation {
	return operation{
		id: "list-jobs", needs: may(access.Jobs, access.Read), tag: "jobs", summary: "List jobs",
		parameters: []*huma.Param{idParameter("connection_id", "Those of this connection.")},
		status:     http.StatusOK, result: jsonBody(s.document, list[job.Job]{Items: []job.Job{jobExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			of := c.idIn("connection_id", &faults)
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			var all []job.Job
			err := s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
				all, err = s.Jobs.List(ctx, tx, of)
				return err
			})
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, page(c, all, ""))
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
			of, err := uuid.Parse(in.ConnectionID)
			if err != nil {
				return answer{}, schema.Violations{{Pointer: "/connection_id", Rule: "format", Message: "must be a UUID"}}
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				added, err := s.Jobs.Create(ctx, tx, job.New{
					ConnectionID: of, Name: in.Name, Kind: job.Kind(in.Kind), Entity: in.Entity, Schedule: in.Schedule, TimeZone: in.TimeZone,
				})
				if err != nil {
					return answer{}, err
				}
				a, err := respond(http.StatusCreated, added)
				a.Location = prefix + "/jobs/" + added.ID.String()
				return a, err
			})
		},
	}
}

func (s *server) getJob() operation {
	return operation{
		id: "get-job", needs: may(access.Jobs, access.Read), tag: "jobs", summary: "Get a job",
		status: http.StatusOK, result: jsonBody(s.document, jobExample()),
		serve: s.onID(func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (any, error) { return s.Jobs.Get(ctx, tx, id) }),
	}
}

func (s *server) patchJob() operation {
	hourly := "@hourly"
	return operation{
		id: "update-job", needs: may(access.Jobs, access.Update), tag: "jobs", summary: "Change a job's name or schedule",
		description: "A JSON merge patch (RFC 7396). Jobs have no versions: the last change wins.",
		body:        mergePatchBody(s.document, jobPatch{Schedule: &hourly}),
		status:      http.StatusOK, result: jsonBody(s.document, jobExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			patch, err := c.object()
			if err != nil {
				return answer{}, err
			}
			return s.writeOnID(func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (any, error) {
				old, err := s.Jobs.Get(ctx, tx, id)
				if err != nil {
					return nil, err
				}
				merged, _ := schema.MergePatch(map[string]any{"name": old.Name, "schedule": old.Schedule, "time_zone": old.TimeZone}, patch).(map[string]any)
				change, err := as[job.Change](merged)
				if err != nil {
					return nil, err
				}
				return s.Jobs.Update(ctx, tx, id, change)
			})(ctx, c)
		},
	}
}

func (s *server) pauseJob() operation {
	return operation{
		id: "pause-job", needs: may(access.Jobs, access.Update), tag: "jobs", summary: "Pause a job", description: "Its schedule does not count until it is resumed. A run that executes goes on.",
		status: http.StatusOK, result: jsonBody(s.document, jobExample()), keyed: true,
		serve: s.writeOnID(func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (any, error) { return s.Jobs.Pause(ctx, tx, id) }),
	}
}

func (s *server) resumeJob() operation {
	return operation{
		id: "resume-job", needs: may(access.Jobs, access.Update), tag: "jobs", summary: "Resume a job", description: "Its schedule counts again, from now on.",
		status: http.StatusOK, result: jsonBody(s.document, jobExample()), keyed: true,
		serve: s.writeOnID(func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (any, error) { return s.Jobs.Resume(ctx, tx, id) }),
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
				a, err := respond(http.StatusAccepted, queued)
				a.Location = prefix + "/runs/" + queued.ID.String()
				return a, err
			})
		},
	}
}

func jobExample() job.Job {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	next := at.Add(15 * time.Minute)
	return job.Job{
		ID: uuid.MustParse(exampleID), ConnectionID: uuid.MustParse(exampleID), Name: "pull order", Kind: job.Pull, Entity: "order",
		Schedule: "*/15 * * * *", TimeZone: "Europe/Berlin", Status: job.Active, NextRunAt: &next,
		CreatedAt: at, CreatedBy: exampleActor, UpdatedAt: at,
	}
}
