package pull_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/connectors"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/connector/recorded"
	"crmhub/core/crm"
	"crmhub/core/hubtest"
	"crmhub/core/job"
	"crmhub/core/mapping"
	"crmhub/core/revision"
	"crmhub/core/schema"
)

// What a shipped connector read of the system it is for, as recorded, the pull takes in with the shipped mappings: that a
// mapping reads a record says not yet that the store can tell it from others and keep it. What was taken in is then equal:
// it changes nothing when it comes again, and nothing of it goes back.
func TestWhatShippedConnectorsReadIsTakenIn(t *testing.T) {
	t.Parallel()
	set, err := connectors.Load("")
	if err != nil {
		t.Fatal(err)
	}
	all, err := schema.Load(set.Schemas)
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := mapping.Load(set.Mappings, all)
	if err != nil {
		t.Fatal(err)
	}
	played := 0
	for _, c := range set.Connectors {
		records := recordedRecords(t, c, set.Files[c.Name])
		if len(records) == 0 {
			continue
		}
		played++
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			takesIn(t, c, records, shipped, all)
		})
	}
	if played < 6 {
		t.Errorf("only %d connectors have recordings that read something", played)
	}
}

// recordedRecords are the records that a connector's recordings read, by what they are there.
func recordedRecords(t *testing.T, c connector.Connector, files fs.FS) map[string][]connector.Record {
	t.Helper()
	names, err := fs.Glob(files, "recorded/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	latest := map[string]map[string]connector.Record{}
	for _, name := range names {
		source, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := recorded.Parse(source)
		if err != nil {
			t.Fatal(err)
		}
		outcomes, err := recorded.Play(t.Context(), c, r)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range outcomes {
			if o.Step.Verb != "pull" && o.Step.Verb != "get" {
				continue // what a write answers may be a part
			}
			for _, record := range o.Records {
				if latest[o.Step.Stream] == nil {
					latest[o.Step.Stream] = map[string]connector.Record{}
				}
				latest[o.Step.Stream][record.ID] = record
			}
		}
	}
	records := map[string][]connector.Record{}
	for stream, byID := range latest {
		for _, id := range slices.Sorted(maps.Keys(byID)) {
			records[stream] = append(records[stream], byID[id])
		}
	}
	return records
}

// takesIn pulls the records into an organization that holds nothing yet, parents first.
func takesIn(t *testing.T, c connector.Connector, records map[string][]connector.Record, shipped *mapping.Set, all *schema.Set) {
	c.Config, c.Secrets = json.RawMessage(`{}`), nil
	c.Open = func(connector.Options) (connector.Session, error) { return &remote{records: records}, nil }
	h := hubtest.New(t, mappings())
	h.Connections.Connectors[c.Name] = c
	h.Revisions = &revision.Store{Shipped: shipped, Schemas: all}
	f := &fixture{World: h.World(t, nil), pageSize: 3, logger: h.Logger}
	f.Tx(func(tx pgx.Tx) (err error) {
		f.Connection, err = f.Connections.Add(t.Context(), tx, connection.New{Code: "there", Name: "There", Connector: c.Name})
		return err
	})
	f.process()
	for _, kind := range crm.Kinds() {
		for _, s := range c.Streams {
			if s.Entity != string(kind) || !s.Pull || len(records[s.Record]) == 0 {
				continue
			}
			for n := range 2 {
				r := f.run(s.Entity)
				if r.Status != job.Succeeded || r.Read == 0 {
					t.Errorf("%s: %s, %d read, %v", s.Entity, r.Status, r.Read, r.Error)
				}
				f.Tx(func(tx pgx.Tx) error { // so that the next reads all of it again
					_, err := tx.Exec(t.Context(), "delete from cursors")
					return err
				})
				if n > 0 && r.Created+r.Updated > 0 {
					t.Errorf("%s: what came again was %d created, %d updated", s.Entity, r.Created, r.Updated)
				}
			}
		}
	}
	if n := f.Number("select count(*) from links where next_attempt_at is not null"); n != 0 {
		t.Errorf("%d of what came go back", n)
	}
	for _, d := range f.letters(job.Open) {
		if !strings.Contains(d.Message, "not linked yet") { // what a record names may be missing in the recordings
			t.Errorf("%s %s: %s %v", d.Entity, d.RemoteID, d.Message, d.Violations)
		}
	}
}
