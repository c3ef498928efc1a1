package postgrestest

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// TestCopyIsWholeOrNone has test binaries keep and copy a server, while one with other migrations keeps its own.
func TestCopyIsWholeOrNone(t *testing.T) {
	t.Parallel()
	const files = 100
	server := filepath.Join(t.TempDir(), "pg")
	if err := os.Mkdir(server, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range files {
		if err := os.WriteFile(filepath.Join(server, strconv.Itoa(i)), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all := filepath.Join(t.TempDir(), "migrated")
	var wg sync.WaitGroup
	copies := 0
	var mu sync.Mutex
	wg.Go(func() {
		for range 5 {
			made(filepath.Join(all, "0b")).keep(t.Context(), server)
		}
	})
	m := made(filepath.Join(all, "0a"))
	for i := range 4 {
		wg.Go(func() {
			for j := range 10 {
				dir := filepath.Join(t.TempDir(), strconv.Itoa(i), strconv.Itoa(j))
				if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
					t.Error(err)
				}
				if !m.copyTo(t.Context(), dir) {
					m.keep(t.Context(), server)
					if _, err := os.Stat(dir); err == nil {
						t.Error("a half is left")
					}
					continue
				}
				got, err := os.ReadDir(dir)
				if len(got) != files || err != nil {
					t.Errorf("a copy has %d files of %d: %v", len(got), files, err)
				}
				mu.Lock()
				copies++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if copies == 0 {
		t.Error("nothing was copied")
	}
	if left, _ := filepath.Glob(filepath.Join(all, "new-*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
