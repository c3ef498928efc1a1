package einvoice

import (
	"bytes"
	"encoding/xml"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOfficialCasesGetTheirVerdicts reads the test cases that the authors of EN 16931's validation publish. They are no
// part of the project: deploy/test.sh says where they are. What each rule does, TestEachRule shows without them.
func TestOfficialCasesGetTheirVerdicts(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("CRMHUB_TEST_DATA") //nolint:forbidigo // data that is no part of the project
	if dir == "" {
		t.Log("CRMHUB_TEST_DATA names no folder; see TestEachRule")
		return
	}
	files, cases := 0, 0
	err := filepath.WalkDir(filepath.Join(dir, "en16931"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.EqualFold(filepath.Ext(path), ".xml") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if !bytes.Contains(content, []byte("<testSet")) {
			cases++
			judgeWhole(t, path, content)
			return nil
		}
		var set testSet
		if err := xml.Unmarshal(content, &set); err != nil {
			return err
		}
		for i, c := range set.Tests {
			cases++
			c.judge(t, path, i+1)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Fatalf("only %d files", files)
	}
	t.Logf("%d cases in %d files", cases, files)
}

// judgeWhole: an example is an invoice.
func judgeWhole(t *testing.T, path string, content []byte) {
	t.Helper()
	v, err := Parse(bytes.NewReader(content))
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	for _, f := range Check(v) {
		if f.Severity == Fatal {
			t.Errorf("%s:%d: %s at %s: %s", path, f.Line, f.Rule, f.Place, f.Message.English)
		}
	}
}

// testSet is a file of cases: fragments of invoices, which break many rules, with what holds of those in question.
type testSet struct {
	Tests []testCase `xml:"test"`
}

type testCase struct {
	Content string `xml:",innerxml"`
	Assert  struct {
		Success []string `xml:"success"`
		Errors  []string `xml:"error"`
		Warning []string `xml:"warning"`
	} `xml:"assert"`
}

func (c *testCase) judge(t *testing.T, path string, no int) {
	t.Helper()
	_, document, _ := strings.Cut(c.Content, "</assert>")
	v, err := Parse(strings.NewReader(document))
	if err != nil {
		t.Errorf("%s, test %d: %v", path, no, err)
		return
	}
	findings := Check(v)
	verdict := func(rules []string, broken bool, severity Severity) {
		for _, rule := range rules {
			rule = strings.TrimSpace(rule)
			if _, ok := Explain(rule); !ok {
				t.Errorf("%s, test %d: no rule %s", path, no, rule)
			}
			got := slices.ContainsFunc(findings, func(f Finding) bool { return f.Rule == rule && (!broken || f.Severity == severity) })
			if got != broken {
				t.Errorf("%s, test %d: %s broken: %v, want %v", path, no, rule, got, broken)
			}
		}
	}
	verdict(c.Assert.Success, false, "")
	verdict(c.Assert.Errors, true, Fatal)
	verdict(c.Assert.Warning, true, Warning)
	if len(c.Assert.Success)+len(c.Assert.Errors)+len(c.Assert.Warning) == 0 {
		t.Errorf("%s, test %d says nothing", path, no)
	}
}
