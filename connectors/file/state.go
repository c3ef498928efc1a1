package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// sentFolder keeps what was handed over, below a place: others may take the files away as soon as they see them.
const sentFolder = "sent"

// state of a record as it was handed over: sent/<record>/<reference>.json.
type sent struct {
	ID   string         `json:"id"`   // the reference it was created with
	N    int            `json:"n"`    // counts its states
	File string         `json:"file"` // the name under which it was handed over
	Data map[string]any `json:"data"`
}

func (s *sent) record() connector.Record {
	return connector.Record{ID: s.ID, Version: strconv.Itoa(s.N), Deleted: s.deleted(), Data: s.Data}
}

// deleted reports whether the state says that the record does not exist any more.
func (s *sent) deleted() bool { return s.Data[deletedField] != nil }

// gone is the state that says so, by what makes the record's id and nothing else of it.
func (s *sent) gone(l *layout) map[string]any {
	data := map[string]any{deletedField: "yes"}
	for _, name := range l.id {
		if v := s.Data[name]; v != nil {
			data[name] = v
		}
	}
	return data
}

// notes are the names of the files in which a record's states are noted. next is one that is being handed over: it was if its draft,
// which was there before the note, is not any more, since a renaming is what hands it over.
type notes struct{ current, next, draft string }

func notesOf(l *layout, id string) notes {
	current := path.Join(sentFolder, l.record, safe(id)+".json")
	return notes{current: current, next: current + ".next", draft: current + ".new"}
}

// known is what is known of a record.
type known struct {
	last    *sent // the newest that was handed over, nil if none was
	ahead   bool  // last is noted as next still
	pending *sent // what a write that was cut off has left: nobody has seen it
}

// known reads and changes nothing.
func (s *session) known(ctx context.Context, l *layout, id string) (k known, err error) {
	n := notesOf(l, id)
	next, err := s.note(ctx, n.next)
	if err != nil {
		return k, err
	}
	if next != nil {
		waits, err := s.place.has(ctx, draftOfState(next.File))
		if err != nil {
			return k, err
		}
		if !waits {
			return known{last: next, ahead: true}, nil
		}
	}
	k.pending = next
	k.last, err = s.note(ctx, n.current)
	return k, err
}

// note reads a state, nil if there is none of this name.
func (s *session) note(ctx context.Context, name string) (*sent, error) {
	b, err := s.place.load(ctx, name, mostNoted)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // none
	}
	if err != nil {
		return nil, err
	}
	doc, err := schema.DecodeJSON(b)
	data, _ := doc.(map[string]any)
	var st sent
	if err == nil {
		err = json.Unmarshal(b, &st)
	}
	if err != nil || st.N < 1 || st.File == "" {
		return nil, &connector.Error{
			Class: connector.ClassBusiness, Message: "the note " + name + " of what was sent is damaged", Err: err,
			Remedy: "Bring it back from a backup; if it is removed the hub takes its record for one that was never sent.", Said: schema.Say("note_damaged", name),
		}
	}
	st.Data, _ = data["data"].(map[string]any) // its numbers as they were written
	return &st, nil
}

// mostNoted is more than a record of the store's largest order has.
const mostNoted = 64 << 20

func (s *session) setNote(ctx context.Context, n notes, st sent) error {
	b, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("note what is sent: %w", err)
	}
	if err := s.place.store(ctx, n.draft, b); err != nil {
		return err
	}
	return s.place.rename(ctx, n.draft, n.next)
}

// same reports whether two records say the same.
func same(a, b map[string]any) bool {
	x, err := json.Marshal(a)
	if err != nil {
		return false
	}
	y, err := json.Marshal(b)
	return err == nil && bytes.Equal(x, y)
}
