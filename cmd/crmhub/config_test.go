package main

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Processes that start on a new directory at the same time must agree on its key, or secrets are lost.
func TestAllWhoStartAtOnceGetTheSameKey(t *testing.T) {
	t.Parallel()
	c := &Config{DataDir: filepath.Join(t.TempDir(), "data")}
	sealed := make([]string, 16)
	var wg sync.WaitGroup
	for i := range sealed {
		wg.Go(func() {
			if _, err := c.key(); err != nil {
				t.Error(err)
			}
			b, err := os.ReadFile(filepath.Join(c.DataDir, "secret.key"))
			if err != nil {
				t.Error(err)
			}
			sealed[i] = string(b)
		})
	}
	wg.Wait()
	for _, key := range sealed {
		if diff := cmp.Diff(sealed[0], key); diff != "" {
			t.Errorf("two keys (-first +other):\n%s", diff)
		}
	}
	files, err := os.ReadDir(c.DataDir)
	if err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	info, err := os.Stat(filepath.Join(c.DataDir, "secret.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}
