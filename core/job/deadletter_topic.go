package job

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"crmhub/core/outbox"
)

// LetterEntity is what dead letters are called on their topic and in the trail.
const LetterEntity = "dead_letter"

// publish puts letters as they stand now on their topic, so that programs hear of failures as people do. The payload stays
// here: nobody can erase one person's data from a topic.
func publish(ctx context.Context, tx pgx.Tx, letters []DeadLetter) error {
	changes := make([]outbox.Change, len(letters))
	for i, d := range letters {
		d.Payload = nil
		data, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("publish dead letter %s: %w", d.ID, err)
		}
		c := outbox.Change{Entity: LetterEntity, EntityID: d.ID, Version: int64(d.Attempts), Type: "updated", Origin: "crm", Data: data}
		switch {
		case d.Status != Open:
			c.Version++ // closing it is its last change
		case d.Attempts == 1:
			c.Type = "created"
		}
		changes[i] = c
	}
	return outbox.Append(ctx, tx, changes)
}
