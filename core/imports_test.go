package core_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is the plan of the house: folder → the folders of this module that its non-test code may import, and does.
// A folder's subfolders follow its rule unless they have their own.
var mayImport = map[string][]string{
	"schemas":  {},
	"mappings": {},

	"core":           {},
	"core/money":     {},
	"core/secret":    {},
	"core/schema":    {},
	"core/telemetry": {},
	"core/sheet":     {"core/schema"},
	"core/search":    {},
	"core/match":     {},
	"core/running":   {},
	"core/signature": {"core/secret"},
	"core/einvoice":  {},

	"core/postgres":              {},
	"core/postgres/private":      {"core/postgres"},
	"core/postgres/postgrestest": {"core/postgres", "core/postgres/private"},
	"core/bus":                   {"core/secret", "core/schema"},
	"core/bus/embedded":          {},

	"core/audit":                   {"core/postgres", "core/secret"},
	"core/outbox":                  {"core/postgres", "core/bus"},
	"core/mapping":                 {"core/schema"},
	"core/connector":               {"core/schema", "core/secret"},
	"core/connector/connectortest": {"core/connector", "core/connector/conformance"},
	"core/connector/conformance":   {"core/connector", "core/schema"},
	"core/connector/recorded":      {"core/connector", "core/schema", "core/secret"},

	"core/access":        {"core/postgres", "core/audit", "core/secret", "core/schema"},
	"core/access/openid": {"core/secret"},
	"core/crm":           {"core/postgres", "core/outbox", "core/schema", "core/money", "core/search", "core/match"},
	"core/link":          {"core/postgres", "core/audit", "core/mapping", "core/match", "core/schema"},
	"core/attachment":    {"core/postgres", "core/audit"},
	"core/connection":    {"core/postgres", "core/audit", "core/connector", "core/schema", "core/secret"},

	"core/job":         {"core/postgres", "core/audit", "core/outbox", "core/schema", "core/crm", "core/connector", "core/mapping"},
	"core/notify/mail": {"core/secret"},
	"core/notify":      {"core/postgres", "core/audit", "core/bus", "core/running", "core/schema", "core/secret", "core/signature"},

	"core/drift": {"core/postgres", "core/audit", "core/connector", "core/mapping", "core/schema"},

	"core/alert": {"core/postgres", "core/audit", "core/notify", "core/schema"},

	"core/webhook":  {"core/postgres", "core/audit", "core/job", "core/schema", "core/secret", "core/signature"},
	"core/revision": {"core/postgres", "core/audit", "core/connector", "core/connection", "core/crm", "core/link", "core/mapping", "core/schema"},

	"core/journey": {"core/postgres", "core/access", "core/connector", "core/crm", "core/job", "core/link", "core/mapping", "core/schema"},

	"core/transfer":  {"core/postgres", "core/access", "core/audit", "core/crm", "core/schema", "core/sheet"},
	"core/duplicate": {"core/postgres", "core/schema", "core/match", "core/crm", "core/link", "core/attachment"},
	"core/upkeep":    {"core/postgres", "core/access", "core/audit", "core/crm", "core/schema"},

	"core/listview": {"core/postgres", "core/access", "core/crm", "core/schema"},

	"core/edit": {"core/access", "core/audit", "core/crm", "core/duplicate", "core/match", "core/postgres", "core/schema"},

	"core/allocation": {"core/access", "core/crm", "core/edit", "core/money", "core/postgres", "core/schema"},
	"core/inbox":      {"core/access", "core/attachment", "core/crm", "core/duplicate", "core/edit", "core/einvoice", "core/match", "core/postgres", "core/schema"},

	"core/push": {"core/postgres", "core/bus", "core/crm", "core/link", "core/mapping", "core/connector", "core/connection", "core/schema", "core/job", "core/journey"},
	"core/pull": {"core/postgres", "core/crm", "core/drift", "core/link", "core/mapping", "core/connector", "core/connection", "core/schema", "core/job", "core/journey"},

	"core/reconcile": {"core/pull", "core/revision", "core/postgres", "core/drift", "core/audit", "core/crm", "core/link", "core/mapping", "core/connector", "core/connection", "core/schema", "core/secret", "core/job"},

	"core/privacy":  {"core/postgres", "core/audit", "core/crm", "core/schema"},
	"core/matching": {"core/pull", "core/mapping", "core/postgres", "core/audit", "core/crm", "core/duplicate", "core/link", "core/match", "core/connector", "core/connection", "core/schema", "core/job"},

	"core/report": {"core/postgres", "core/crm", "core/money", "core/schema", "core/sheet"},

	"core/flow": {"core/connector", "core/connection", "core/job"},

	"core/hubtest": {"core/postgres", "core/postgres/postgrestest", "core/connection", "core/connector", "core/crm", "core/job", "core/link", "core/mapping", "core/push", "core/revision", "core/schema", "core/secret", "schemas"},

	"core/firmtest": {"core/access", "core/postgres", "core/postgres/postgrestest", "core/secret"},

	"core/asyncapi":  {"core/bus", "core/connector", "core/crm", "core/job"},
	"core/paper":     {"core/crm", "core/money", "core/einvoice", "core/schema"},
	"core/paper/pdf": {},

	"core/api": {
		"core/access", "core/alert", "core/allocation", "core/attachment", "core/audit", "core/bus", "core/connection", "core/connector",
		"core/crm", "core/drift", "core/duplicate", "core/edit", "core/flow", "core/inbox", "core/job", "core/journey", "core/link",
		"core/listview", "core/mapping", "core/match", "core/matching", "core/notify", "core/paper", "core/postgres", "core/privacy",
		"core/reconcile", "core/report", "core/revision", "core/schema", "core/secret", "core/sheet", "core/telemetry", "core/transfer",
		"core/upkeep", "core/webhook",
	},
	"core/console": {
		"core/access", "core/access/openid", "core/alert", "core/allocation", "core/attachment", "core/audit", "core/bus",
		"core/connection", "core/connector", "core/crm", "core/drift", "core/duplicate", "core/edit", "core/einvoice", "core/flow",
		"core/inbox", "core/job", "core/journey", "core/link", "core/listview", "core/mapping", "core/match", "core/matching",
		"core/money", "core/notify", "core/postgres", "core/privacy", "core/reconcile", "core/report", "core/revision", "core/schema",
		"core/secret", "core/sheet", "core/transfer", "core/upkeep", "core/webhook",
	},

	"connectors":           {"connectors/file", "connectors/kafka", "connectors/ledger", "connectors/rest", "core/connector", "mappings", "schemas"},
	"connectors/file":      {"core/connector", "core/einvoice", "core/schema", "core/secret", "core/sheet"},
	"connectors/kafka":     {"core/connector", "core/schema", "core/secret"},
	"connectors/ledger":    {"core/connector", "core/money", "core/schema"},
	"connectors/rest":      {"core/connector", "core/schema", "core/secret", "schemas"},
	"connectors/tryton":    {},
	"connectors/simulator": {"core/money"},

	"cmd/crmhub": {"*"},
}

// noPgx are the folders without SQL: they may take a transaction along (pgx.Tx), nothing more.
var noPgx = []string{"core/api", "core/console", "connectors", "core/mapping", "core/schema", "core/connector"}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	fset, used := token.NewFileSet(), map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name != ".." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "deploy") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, path, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), ".."+string(filepath.Separator)))
		rule, allowed, known := ruleOf(folder)
		if !known {
			t.Errorf("%s: no rule for this folder; say in core/imports_test.go what it may import", folder)
			return nil
		}
		for _, spec := range file.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if strings.HasPrefix(target, "github.com/jackc/pgx") {
				for _, f := range noPgx {
					if (folder == f || strings.HasPrefix(folder, f+"/")) && target != "github.com/jackc/pgx/v5" {
						t.Errorf("%s imports %s: SQL lives with the types it stores", path, target)
					}
				}
			}
			to, ours := strings.CutPrefix(target, "crmhub/")
			used[rule+" "+to] = true
			if !ours || slices.Contains(allowed, "*") || slices.Contains(allowed, to) || strings.HasPrefix(to, rule+"/") || to == rule {
				continue
			}
			t.Errorf("%s imports %s, which %s must not: it may import %v", path, to, rule, allowed)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for rule, allowed := range mayImport {
		for _, to := range allowed {
			if to != "*" && !used[rule+" "+to] {
				t.Errorf("%s may import %s and does not: take it out of the plan", rule, to)
			}
		}
	}
}

func ruleOf(folder string) (rule string, allowed []string, known bool) {
	for rule = folder; rule != "."; rule = filepath.ToSlash(filepath.Dir(rule)) {
		if allowed, known = mayImport[rule]; known {
			return rule, allowed, true
		}
	}
	return folder, nil, false
}
