package pull

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/journey"
)

// noteEvents keeps what became of records, as they came, in one statement. What changed nothing is no event, and what has no
// entity yet has no journey: its dead letter tells of it.
func (s *stream) noteEvents(ctx context.Context, tx pgx.Tx, items []*item, run *uuid.UUID) error {
	var events []journey.Event
	for _, it := range items {
		e := journey.Event{
			Entity: string(s.kind), Connection: s.connection.ID, Run: run, Direction: journey.Pull,
			RemoteID: it.record.ID, MappingVersion: s.mapping.Version(), Exchanges: it.came(),
		}
		switch {
		case it.fault != nil && it.link != nil:
			cause := it.fault.cause()
			e.EntityID, e.Version, e.Outcome, e.Cause = it.link.EntityID, it.link.SyncedVersion, "failed", &cause
		case it.fault != nil, it.saved == nil, it.settled():
			continue
		default:
			h := crm.HeadOf(it.saved)
			e.EntityID, e.Version, e.Outcome = h.ID, h.Version, it.result.String()
		}
		events = append(events, e)
	}
	var b pgx.Batch
	if err := journey.Queue(&b, events); err != nil || b.Len() == 0 {
		return err
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("note what became of %d records: %w", len(events), err)
	}
	return nil
}

// came is the record as the remote gave it, with the request for the page it was on.
func (it *item) came() []journey.Exchange {
	e := it.request
	if it.record.Data != nil {
		data, _ := json.Marshal(it.record.Data) // decoded JSON
		e.Response, e.Cut = journey.Excerpt(data)
	}
	e.Purpose = "read"
	return []journey.Exchange{e}
}

func (r result) String() string {
	return [...]string{unchanged: "unchanged", created: "created", updated: "updated", failed: "failed"}[r]
}
