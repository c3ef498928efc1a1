package job_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
	"crmhub/core/schema"
	"crmhub/schemas"
)

// Programs hear on a topic of each letter, what becomes of it, and nothing of what the record held.
func TestLettersArePublishedWithoutTheirPayload(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	secretive := f.letter("8", "/a")
	secretive.Payload = json.RawMessage(`{"email": "anna@example.com"}`)
	f.bury(f.letter("7", "/a"), secretive)
	f.bury(f.letter("7", "/b"))
	f.tx(func(tx pgx.Tx) error {
		return job.Resolve(t.Context(), tx, job.Things{ConnectionID: f.connection, Direction: job.Pull, Entity: "order", IDs: []string{"7", "none"}})
	})
	left := f.letters(job.LetterFilter{Status: job.Open})
	f.tx(func(tx pgx.Tx) error {
		_, err := job.Dismiss(t.Context(), tx, left[0].ID, "a test")
		return err
	})
	all, err := schema.Load(schemas.FS)
	if err != nil {
		t.Fatal(err)
	}
	described, _ := all.Get("dead_letter.v1.json")
	var got []string
	err = f.db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		rows, _ := tx.Query(t.Context(), `select data->>'remote_id', version, type, data::text from outbox where entity = 'dead_letter' order by seq`)
		var remote, kind, data string
		var version int64
		_, err := pgx.ForEachRow(rows, []any{&remote, &version, &kind, &data}, func() error {
			if strings.Contains(data, "example.com") {
				t.Errorf("the payload is on the topic: %s", data)
			}
			doc, err := schema.DecodeJSON([]byte(data))
			if err != nil {
				return err
			}
			if vs := described.Validate(doc); len(vs) > 0 {
				t.Errorf("not as the schema says: %v", vs)
			}
			got = append(got, fmt.Sprint(remote, " ", version, " ", kind, " ", doc.(map[string]any)["status"]))
			return nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(got[0], "8") {
		got[0], got[1] = got[1], got[0] // those of one page come in any order
	}
	want := []string{"7 1 created open", "8 1 created open", "7 2 updated open", "7 3 updated resolved", "8 2 updated dismissed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
