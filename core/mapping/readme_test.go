package mapping_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/mapping"
	"crmhub/core/schema"
	"crmhub/schemas"
)

// blocks are the README's code blocks with rules, each with the block of documents after it.
var blocks = regexp.MustCompile("(?s)```yaml\n(.*?)```\n(?:```text\n(.*?)```\n)?")

// The README of mappings/ is for people who do not program: what it shows must be what happens.
func TestTheReadmeSaysWhatHappens(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{}
	for _, name := range []string{"order.v1.json", "customer.v1.json", "product.v1.json"} {
		b, err := fs.ReadFile(schemas.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: b}
	}
	b, err := os.ReadFile("testdata/schemas/readme/sale.json")
	if err != nil {
		t.Fatal(err)
	}
	files["readme/sale.json"] = &fstest.MapFile{Data: b}
	set, err := schema.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../mappings/README.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, block := range blocks.FindAllStringSubmatch(string(readme), -1) {
		source := block[1]
		if strings.HasPrefix(source, "- ") {
			source = "entity: order\nrecord: sale\nfields:\n" + source
		}
		m, err := mapping.Compile("readme/order.yaml", []byte(source), set)
		if err != nil {
			t.Errorf("%s\n%v", source, err)
			continue
		}
		for line := range strings.Lines(block[2]) {
			ran++
			showsWhatHappens(t, m, line)
		}
	}
	if ran < 10 {
		t.Errorf("only %d examples found", ran)
	}
}

func showsWhatHappens(t *testing.T, m *mapping.Mapping, line string) {
	t.Helper()
	arrow := strings.IndexAny(line, "⇄→←")
	if arrow < 0 {
		t.Fatalf("no arrow: %s", line)
	}
	ours, theirs := object(t, []byte(line[:arrow])), object(t, []byte(line[arrow+len("→"):]))
	if !strings.Contains(line, "←") {
		got, err := m.Push(ours, testLinks{})
		if diff := cmp.Diff(theirs, got); err != nil || diff != "" {
			t.Errorf("%s%v%s", line, err, diff)
		}
	}
	if !strings.Contains(line, "→") {
		theirs["id"] = object(t, []byte(`{"id": 1}`))["id"]
		got, err := m.Pull(theirs, testLinks{})
		if diff := cmp.Diff(ours, got); err != nil || diff != "" {
			t.Errorf("%s%v%s", line, err, diff)
		}
	}
}
