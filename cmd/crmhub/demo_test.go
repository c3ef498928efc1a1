package main

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The demo is the whole program at work, on a database, broker and systems of its own.
func TestTheDemosSidesAgree(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "crmhub-demo-*") //nolint:usetesting // the database's user must pass through
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	args := []string{"demo", "--exit", "--json", "--data-dir", dir, "--listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0"}
	if code := run(t.Context(), args, output{&stdout, &stderr}); code != 0 {
		t.Fatalf("status %d\n%s\n%s", code, stdout.String(), stderr.String())
	}
	type side struct {
		Count int
		Sums  map[string]string
	}
	type comparison struct {
		Entity                         string
		CRM, Remote                    side
		Missing, Duplicates, Different []string
	}
	var got struct {
		Agree       bool
		Comparisons []comparison
	}
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("%v\n%s", err, stdout.String())
	}
	same := func(entity string, count int) comparison {
		s := side{count, map[string]string{"USD": "1497091.07"}}
		return comparison{entity, s, s, []string{}, []string{}, []string{}}
	}
	// 996: of every fifth of 830 invoices the money comes in two parts.
	want := []comparison{same("order", 830), same("invoice", 830), same("payment", 996)}
	if diff := cmp.Diff(want, got.Comparisons); diff != "" || !got.Agree {
		t.Errorf("agree: %v\n%s", got.Agree, diff)
	}
}
