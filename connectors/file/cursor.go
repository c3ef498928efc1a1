package file

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// cursor is what is known of the files that lie in a place, by name. A file that is gone from there is forgotten.
type cursor map[string]*state

// state is how far a file is.
type state struct {
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	Since    time.Time `json:"since"`            // since when it is known to be as it is
	Digest   string    `json:"digest,omitempty"` // of what is read of it
	Row      int64     `json:"row,omitempty"`    // the last that was taken
	Done     bool      `json:"done,omitempty"`
	Fault    string    `json:"fault,omitempty"` // why it could not be read on
}

func parseCursor(text json.RawMessage) (cursor, error) {
	c := cursor{}
	if len(text) == 0 {
		return c, nil
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, &connector.Error{Class: connector.ClassConfig, Message: "the cursor is none of this connector's", Err: err, Said: schema.Say("bad_cursor")}
	}
	return c, nil
}

func (c cursor) text() (json.RawMessage, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("write the cursor: %w", err)
	}
	return b, nil
}

// look brings the cursor up to what lies there now. A file that changed is a new one.
func (c cursor) look(files []found, now time.Time, trusted bool) {
	there := make(map[string]bool, len(files))
	for _, f := range files {
		there[f.Name] = true
		s := c[f.Name]
		if s != nil && s.Size == f.Size && s.Modified.Equal(f.Modified) {
			continue
		}
		s = &state{Size: f.Size, Modified: f.Modified, Since: now.UTC()}
		if trusted && f.Modified.Before(now) {
			s.Since = f.Modified
		}
		c[f.Name] = s
	}
	for name := range c {
		if !there[name] {
			delete(c, name)
		}
	}
}

// due are the files to be taken: what is under way, then the oldest first.
func (c cursor) due(files []found, now time.Time, settle time.Duration) []found {
	var due []found
	for _, f := range files {
		if s := c[f.Name]; !s.Done && (s.Row > 0 || now.Sub(s.Since) >= settle) {
			due = append(due, f)
		}
	}
	slices.SortFunc(due, func(a, b found) int {
		if under := c[a.Name].Row > 0; under != (c[b.Name].Row > 0) {
			if under {
				return -1
			}
			return 1
		}
		if order := a.Modified.Compare(b.Modified); order != 0 {
			return order
		}
		return strings.Compare(a.Name, b.Name)
	})
	return due
}
