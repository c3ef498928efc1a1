package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/connector"
	"crmhub/core/job"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
)

type dryInput struct {
	Beginning bool   `json:"beginning,omitempty" doc:"Of a pull: look from the beginning, as a backfill reads, instead of from where the job stands."`
	After     string `json:"after,omitempty" doc:"Where to go on: next of the part before."`
	Limit     int    `json:"limit,omitempty" minimum:"1" maximum:"500" doc:"How many entities or records to look at, at most; 500 when left out."`
}

// dryTimeout is the longest a caller waits for another system to be read.
const dryTimeout = 2 * time.Minute

func (s *server) dryRunJob() operation {
	return operation{
		id: "dry-run-job", needs: may(access.Jobs, access.Run), tag: "jobs", summary: "Show what a job would do",
		description: "Looks at a part of a job's work and tells field by field what would be written. Nothing is written to the other system, nothing is stored, " +
			"no cursor moves; the other system is read. Needs the permission to read all fields of the entity, too.",
		body:   jsonBody(s.document, dryInput{Limit: 100}),
		status: http.StatusOK, result: jsonBody(s.document, job.DryReport{
			Read: 100, Updated: 1, Unchanged: 99, Items: []job.DryItem{{
				Action: "update", RemoteID: "1001", Differences: []mapping.Difference{{Pointer: "/comment", Before: "Ring once.", After: "Ring twice."}},
			}},
		}), problems: []int{http.StatusConflict, http.StatusFailedDependency},
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[dryInput](c)
			if err != nil {
				return answer{}, err
			}
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			j, err := postgres.Get(ctx, s.DB, c.who.Principal, func(tx pgx.Tx) (job.Job, error) { return s.Jobs.Get(ctx, tx, id) })
			if err != nil {
				return answer{}, err
			}
			if err := c.permitWhole(j.Entity); err != nil {
				return answer{}, err
			}
			dry, ok := s.DryRuns[j.Kind]
			if !ok {
				return answer{}, &Problem{
					Type: problemType("no-dry-run"), Title: "The job has no dry run", Status: http.StatusConflict,
					Detail: fmt.Sprintf("A job of the kind %s writes to no system and no entity: run it.", j.Kind),
				}
			}
			ctx, cancel := context.WithTimeout(ctx, dryTimeout)
			defer cancel()
			report, err := dry(ctx, c.who.Principal, j, job.DryOptions{Beginning: in.Beginning, After: in.After, Limit: in.Limit})
			if remote := (*connector.Error)(nil); errors.As(err, &remote) {
				return answer{}, &Problem{
					Type: problemType("remote"), Title: "The other system cannot be read", Status: http.StatusFailedDependency, Detail: remote.Error(),
				}
			}
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, report)
		},
	}
}
