package connectors_test

import (
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"crmhub/connectors"
	"crmhub/core/connector"
	"crmhub/core/connector/recorded"
	"crmhub/core/mapping"
	"crmhub/core/schema"
)

var update = flag.Bool("update", false, "write requests and results into the recordings as they are now")

// same links everything with a record of the same id.
type same struct{}

func (same) Remote(_, id string) (string, bool) { return id, true }
func (same) Local(_, id string) (string, bool)  { return id, true }

// TestRecordedExchanges plays every recording: requests and results are as recorded, the records in it fit their schemas, and
// the mappings read them.
func TestRecordedExchanges(t *testing.T) {
	t.Parallel()
	set, err := connectors.Load("")
	if err != nil {
		t.Fatal(err)
	}
	all, err := schema.Load(set.Schemas)
	if err != nil {
		t.Fatal(err)
	}
	maps, err := mapping.Load(set.Mappings, all)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range set.Connectors {
		names, err := fs.Glob(set.Files[c.Name], "recorded/*.txtar")
		if err != nil {
			t.Fatal(err)
		}
		if c.Proof == connector.ProofRecorded && len(names) == 0 {
			t.Errorf("%s says it is proven by recordings, and has none", c.Name)
		}
		for _, name := range names {
			t.Run(c.Name+"/"+path.Base(name), func(t *testing.T) {
				t.Parallel()
				source, err := fs.ReadFile(set.Files[c.Name], name)
				if err != nil {
					t.Fatal(err)
				}
				play{t, c, all, maps}.recording(path.Join(c.Name, name), source)
			})
		}
	}
}

type play struct {
	*testing.T
	connector connector.Connector
	schemas   *schema.Set
	mappings  *mapping.Set
}

func (p play) recording(name string, source []byte) {
	r, err := recorded.Parse(source)
	if err != nil {
		p.Fatal(err)
	}
	ask := recorded.Play
	if *update {
		ask = recorded.Update
	}
	outcomes, err := ask(p.Context(), p.connector, r)
	if err != nil {
		p.Fatal(err)
	}
	for _, o := range outcomes {
		for _, fault := range o.Faults {
			p.Errorf("%s: %s", o.Step, fault)
		}
		for _, record := range o.Records {
			p.record(o.Step, record)
		}
	}
	if *update {
		b, err := r.Format()
		if err != nil {
			p.Fatal(err)
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			p.Fatal(err)
		}
	}
}

// record checks one that was read.
func (p play) record(step *recorded.Step, r connector.Record) {
	if r.Deleted {
		return
	}
	plain, err := json.Marshal(r.Data)
	if err != nil {
		p.Fatal(err)
	}
	doc, err := schema.DecodeJSON(plain)
	if err != nil {
		p.Fatal(err)
	}
	s, ok := p.schemas.Get(p.connector.Name + "/" + step.Stream + ".json")
	if !ok {
		p.Fatalf("there is no schema of %s", step.Stream)
	}
	if err := s.Validate(doc).Err(); err != nil {
		p.Errorf("%s: %s does not fit its schema: %v", step, r.ID, err)
		return
	}
	for _, stream := range p.connector.Streams {
		if stream.Record != step.Stream {
			continue
		}
		m, ok := p.mappings.For(p.connector.Name, stream.Entity)
		if !ok {
			p.Fatalf("there is no mapping of %s", stream.Entity)
		}
		if _, err := m.Pull(doc.(map[string]any), same{}); err != nil && !strings.Contains(err.Error(), "uuid") {
			p.Errorf("%s: %s is not mapped: %v", step, r.ID, err)
		}
	}
}
