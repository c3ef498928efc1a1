package api

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"crmhub/core/access"
	"crmhub/core/connection"
	"crmhub/core/flow"
	"crmhub/core/job"
)

func (s *server) listFlows() operation {
	return operation{
		id: "list-flows", needs: may(access.Connections, access.Read), tag: "connections", summary: "Tell how everything flows",
		description: "Every connection with what is pushed and pulled over it: how much came over in the last hour and the last 24 hours, how far it is behind, and " +
			"what holds it up. A push flows all the time, a pull by the runs of its job.",
		status: http.StatusOK, result: jsonBody(s.document, list[flow.Flows]{Items: []flow.Flows{flowExample()}}),
		serve: readAll(s, s.flows.Read),
	}
}

func flowExample() flow.Flows {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	due, id := at.Add(15*time.Minute), uuid.MustParse(exampleID)
	return flow.Flows{
		ID: id, Code: "erp", Name: "Tryton", Connector: "tryton", Status: connection.Active, Breaker: connection.Closed,
		Flows: []flow.Flow{
			{Entity: "order", Direction: job.Push, State: flow.Flowing, LastHour: 42, LastDay: 830, Push: &flow.Push{Waiting: 3, Since: &at}},
			{
				Entity: "invoice", Direction: job.Pull, State: flow.Failing, LastHour: 12, LastDay: 260, Letters: 2,
				Pull: &flow.Pull{JobID: id, Schedule: "*/15 * * * *", GoodAt: &at, DueAt: &due, RunID: &id, Run: job.Succeeded},
			},
		},
	}
}
