package connector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// kept is a [Record] as JSON.
type kept struct {
	ID        string         `json:"id"`
	Version   string         `json:"version,omitempty"`
	UpdatedAt time.Time      `json:"updated_at,omitzero"`
	Deleted   bool           `json:"deleted,omitempty"`
	Data      map[string]any `json:"data"`
}

// Keep is the record as JSON, for a store that gives it back by [Kept]. What the connector has against it is not kept.
func (r Record) Keep() (json.RawMessage, error) {
	b, err := json.Marshal(kept{r.ID, r.Version, r.UpdatedAt, r.Deleted, r.Data})
	if err != nil {
		return nil, fmt.Errorf("keep record %s: %w", r.ID, err)
	}
	return b, nil
}

// Kept is a record that was kept, its numbers as they were written.
func Kept(b json.RawMessage) (Record, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var k kept
	if err := d.Decode(&k); err != nil {
		return Record{}, fmt.Errorf("read a kept record: %w", err)
	}
	return Record{ID: k.ID, Version: k.Version, UpdatedAt: k.UpdatedAt, Deleted: k.Deleted, Data: k.Data}, nil
}
