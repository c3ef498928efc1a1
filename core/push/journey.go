package push

import (
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/journey"
)

// said keeps what a call that began then told the remote about the item, and what that answered: as the connector recorded
// it, else the record that was sent and the one that came back.
func (it *item) said(purpose string, began time.Time, recorded []connector.Exchange, sent []byte, got map[string]any) {
	if len(recorded) > 0 {
		it.exchanges = append(it.exchanges, journey.ExchangesOf(purpose, recorded)...)
		return
	}
	e := journey.Exchange{At: began.UTC(), Purpose: purpose, Milliseconds: time.Since(began).Milliseconds()}
	var requestCut, responseCut bool
	e.Request, requestCut = journey.Excerpt(sent)
	if got != nil {
		answer, _ := json.Marshal(got) // decoded JSON
		e.Response, responseCut = journey.Excerpt(answer)
	}
	e.Cut = requestCut || responseCut
	it.exchanges = append(it.exchanges, e)
}

// events queues what happened to the items. That one was put back unsent is no event: a connection that is away would fill
// the journeys.
func (p *Pusher) events(s *stream, items []*item) (*pgx.Batch, error) {
	events := make([]journey.Event, 0, len(items))
	for _, it := range items {
		if it.result == "released" && len(it.exchanges) == 0 {
			continue
		}
		events = append(events, journey.Event{
			Entity: s.Entity, EntityID: it.id, Connection: p.Connection, Direction: journey.Push, Version: it.version, Op: it.op,
			Outcome: string(it.outcome.State()), RemoteID: it.remoteID, MappingVersion: s.Mapping.Version(), Cause: it.outcome.Cause(),
			Exchanges: it.exchanges,
		})
	}
	var b pgx.Batch
	return &b, journey.Queue(&b, events)
}
