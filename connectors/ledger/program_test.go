//go:build ledger

package ledger_test

import (
	"encoding/csv"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The accounting programs themselves read what a full push wrote, strictly, and say what customers owe.
func TestAccountingProgramsAgreeWithTheHub(t *testing.T) {
	t.Parallel()
	for format, program := range map[string]struct {
		check func(main string) []string
		owed  func(f *firm, main string) map[string]string
	}{
		"beancount": {
			func(main string) []string { return []string{"bean-check", main} },
			func(f *firm, main string) map[string]string {
				return balances(f, "bean-query", "--format=csv", main, "select currency, sum(number) where account ~ '^Assets:Receivable:' group by currency")
			},
		},
		"hledger": {
			func(main string) []string { return []string{"hledger", "--file", main, "check", "--strict"} },
			func(f *firm, main string) map[string]string {
				return balances(f, "hledger", "--file", main, "balance", "^Assets:Receivable:", "--layout=bare", "--depth=1", "--no-total", "--output-format=csv", "--empty")
			},
		},
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			f := newFirm(t, format)
			f.business()
			for _, what := range []string{"pushed", "cancelled"} {
				f.push()
				main := filepath.Join(f.dir, "main"+map[string]string{"beancount": ".beancount", "hledger": ".journal"}[format])
				command := program.check(main)
				run(f, command[0], command[1:]...)
				if diff := cmp.Diff(f.owed(), program.owed(f, main)); diff != "" {
					t.Errorf("%s: receivables (-hub +%s):\n%s", what, format, diff)
				}
				f.cancel()
			}
		})
	}
}

func run(f *firm, program string, arguments ...string) string {
	f.Helper()
	c := exec.CommandContext(f.Context(), program, arguments...)
	c.Env = append(c.Environ(), "LC_ALL=C.UTF-8")
	var out, faults strings.Builder
	c.Stdout, c.Stderr = &out, &faults
	if err := c.Run(); err != nil || faults.Len() > 0 {
		f.Fatalf("%s: %v\n%s%s", program, err, out.String(), faults.String())
	}
	return out.String()
}

// balances reads a table whose last columns are currency and amount.
func balances(f *firm, program string, arguments ...string) map[string]string {
	f.Helper()
	rows, err := csv.NewReader(strings.NewReader(run(f, program, arguments...))).ReadAll()
	if err != nil || len(rows) == 0 {
		f.Fatal(rows, err)
	}
	owed := map[string]string{}
	for _, row := range rows[1:] {
		owed[strings.TrimSpace(row[len(row)-2])] = dec(strings.TrimSpace(row[len(row)-1])).String()
	}
	return owed
}
