package rest_test

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"crmhub/connectors/rest"
	"crmhub/core/connector"
)

func TestManifestBecomesAConnector(t *testing.T) {
	t.Parallel()
	c := parse(t, shop+"    push: {settle: 30s, find_first: true}\n")
	var config map[string]any
	if err := json.Unmarshal(c.Config, &config); err != nil || config["type"] != "object" {
		t.Errorf("configuration schema %v, %v", config, err)
	}
	c.Config, c.Open = nil, nil
	want := connector.Connector{Name: "shop", Title: "Shop", Secrets: []string{"token"}, Streams: []connector.Stream{{
		Entity: "order", Record: "order", Capabilities: connector.Capabilities{
			Pull: true, Incremental: true, Range: true, Push: true, Find: true, Get: true, Delete: true,
			FindFirst: true, Batch: 1, Concurrency: 8, Settle: 30 * time.Second,
		},
	}}}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// in returns the shop with a part replaced, which must be there.
func in(t *testing.T, manifest, part, by string) string {
	t.Helper()
	if !strings.Contains(manifest, part) {
		t.Fatalf("there is no %q to replace", part)
	}
	return strings.Replace(manifest, part, by, 1)
}

func TestFaultsOfAManifestAreToldAtOnceByLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		manifest string
		want     []string
	}{
		"no YAML":   {"a: [", []string{"1: did not find expected node content"}},
		"no object": {"- a", []string{"1: a manifest is one YAML object"}},
		"nothing":   {"", []string{"1: a manifest is one YAML object"}},
		"too large": {"a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n" +
			"d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n", []string{"1: a manifest has at most 100000 values, nested at most 100 deep, aliases counted in full"}},
		"shape": {
			"name: Shop\ntitle: Shop\nconfig: {type: object, properties: {}}\nbase: x\nauth: {type: bearer}\ncheck: {path: /, verb: GET}\nstreams:\n  - {entity: order, record: order}\n",
			[]string{
				"1: /name: does not match pattern '^[a-z][a-z0-9-]{0,40}$'",
				"5: /auth/token: is required",
				"6: /check/verb: is not known here",
				"8: /streams/0/id: is required",
			},
		},
		"shape and templates": {
			strings.NewReplacer("{{limit?}}", "{{limits}}", "{{since?}}", "{{since | nope}}", "key: /id", "key: id").Replace(shop),
			[]string{
				`27: {{limits}}: "limits" is not known here; known are config, secret, session, fields, limit, since, until, page, offset, after, cursor`,
				`27: {{since | nope}}: there is no filter "nope"`,
				"30: /streams/0/pull/page/key: does not match pattern '^(/.*)?$'",
			},
		},
		"page without what it goes by": {
			in(t, shop, "by: keyset, key: /id, size: 100", "by: cursor"),
			[]string{"30: next says where the answer has the next page, for pages by cursor or next only", "30: size is missing: how many records to ask for at most"},
		},
		"page with what it does not go by": {
			in(t, shop, "by: keyset", "by: page"),
			[]string{"30: key says by which value pages follow each other, for pages by keyset only"},
		},
		"overlap without time": {
			in(t, shop, "    updated: /changed_at\n", ""),
			[]string{"20: a stream with overlap needs updated: where a record says when it changed"},
		},
		"steps without get": {
			in(t, shop, "    get: {path: \"/orders/{{id}}\"}\n", "") + "    then: [{name: x, path: /x}]\n",
			[]string{"20: before, then, when and read_back need get: how the record is now"},
		},
		"two streams": {
			shop + "  - {entity: order, record: order, id: /id}\n",
			[]string{`39: the record "order" has two streams`},
		},
		"batch without items": {
			in(t, shop, "      path: /orders\n      body", "      batch: 7\n      path: /orders\n      body"),
			[]string{"35: batch and item go together"},
		},
		"two bodies": {
			in(t, shop, "check: {path: /me}", "check: {path: /me, body: x, form: {a: b}}"),
			[]string{"13: a call has one of body, form and rpc"},
		},
		"rpc without its section": {
			in(t, shop, "check: {path: /me}", "check: {rpc: {method: x, params: []}}"),
			[]string{"13: a call by rpc needs the manifest's rpc section"},
		},
		"rate":         {in(t, shop, "timeout: 10s", "rate: often"), []string{"12: a rate is written as 10/s, 60/min, 500/h or 5000/day, and at most a million"}},
		"twice a key":  {shop + "    push: {batch: 2, batch: 3}\n", []string{`39: "batch" is given twice`}},
		"no JSON":      {in(t, shop, "title: Shop", "title: .inf"), []string{"3: .inf is no number that JSON knows"}},
		"type":         {in(t, shop, "concurrency: 8", "concurrency: many"), []string{"12: /limits/concurrency: must be integer, but got string"}},
		"no condition": {in(t, shop, "{status: [5xx], class", "{class"), []string{"17: nothing says when this applies: status, at or header"}},
		"no question":  {in(t, shop, "{at: /error, exists: true", "{at: /error"), []string{"18: a condition says equals, in, not_in, matches or exists"}},
		"expression":   {in(t, shop, "{at: /error, exists: true", "{at: /error, matches: ("), []string{"18: matches: error parsing regexp: missing closing ): `(`"}},
		"wait":         {in(t, shop, "{status: [429],", "{status: [429], retry_after: soon,"), []string{"16: retry_after is a pointer or a duration such as 30s"}},
		"config that is no schema": {
			in(t, shop, "    url: {type: string}", "    url: {type: text}"),
			[]string{
				"8: /config/properties/url/type: must be array, but got string",
				`8: /config/properties/url/type: value must be one of "array", "boolean", "integer", "null", "number", "object", "string"`,
			},
		},
		"reference in config": {
			in(t, shop, "    url: {type: string}", `    url: {$ref: "https://example.org/url.json"}`),
			[]string{"5: /config: https://example.org/url.json is outside the given files"},
		},
	} {
		_, err := rest.Parse("m.yaml", []byte(c.manifest))
		var got []string
		if err != nil {
			got = strings.Split(err.Error(), "\n")
		}
		want := make([]string, len(c.want))
		for i, line := range c.want {
			want[i] = "m.yaml:" + line
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestAddressesMustBeWebAddresses(t *testing.T) {
	t.Parallel()
	c := parse(t, shop)
	for _, address := range []string{"", "ftp://x", "shop.example.org", "https://user:password@shop.example.org", "https://"} {
		if _, err := c.Open(connector.Options{Config: map[string]any{"url": address}}); err == nil {
			t.Errorf("%q was taken", address)
		}
	}
}

func TestReadmeExampleIsFaultless(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```yaml\n(name: .*?)```").FindSubmatch(readme)
	if example == nil {
		t.Fatal("there is no example")
	}
	if _, err := rest.Parse("README.md", example[1]); err != nil {
		t.Error(err)
	}
}

// Whatever stands at a place where something else was meant is a fault with a line, or harmless, but never a panic.
func TestAnyValueMayBeWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ manifest, below string }{{withSteps(), ""}, {withAuth(loginAuth), "auth"}, {withAuth(tokenAuth), "auth"}} {
		var root yaml.Node
		if err := yaml.Unmarshal([]byte(c.manifest), &root); err != nil {
			t.Fatal(err)
		}
		top := root.Content[0]
		if i := slices.IndexFunc(top.Content, func(n *yaml.Node) bool { return n.Value == c.below }); c.below != "" {
			top = top.Content[i+1]
		}
		for _, wrong := range []string{"[]", "[{}]", "7", "''", "~", "{$each: 1, $when: {equal: []}, $concat: 1}"} {
			var other yaml.Node
			if err := yaml.Unmarshal([]byte(wrong), &other); err != nil {
				t.Fatal(err)
			}
			everywhere(top, other.Content[0], func() {
				source, err := yaml.Marshal(&root)
				if err != nil {
					return // a key that cannot be one
				}
				_, err = rest.Parse("m.yaml", source)
				checkFaults(t, err)
			})
		}
	}
}

// everywhere calls f with every node below n replaced in turn.
func everywhere(n, other *yaml.Node, f func()) {
	for i, was := range n.Content {
		n.Content[i] = other
		f()
		n.Content[i] = was
		everywhere(was, other, f)
	}
}

func checkFaults(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	faults, ok := errors.AsType[*rest.Faults](err)
	if !ok {
		t.Fatalf("no faults: %v", err)
	}
	for _, fault := range faults.List {
		if fault.File != "m.yaml" || fault.Line < 1 || fault.Message == "" {
			t.Errorf("%+v", fault)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(shop))
	f.Add([]byte(withSteps()))
	f.Add([]byte(withAuth(loginAuth)))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("a: {<<: [1], <<: {b: c}}"))
	f.Add([]byte("errors: [{status: ['', xx, 5xx]}]\nstreams: [{pull: {page: {by: cursor}}, create: {batch: 1}, then: [{when: {data: [{}]}}]}]"))
	f.Fuzz(func(t *testing.T, manifest []byte) {
		_, err := rest.Parse("m.yaml", manifest)
		checkFaults(t, err)
	})
}
