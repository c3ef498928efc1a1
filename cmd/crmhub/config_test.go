package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/telemetry"
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

// By the id on a page of an error, or in an answer of the API, the lines of the log are found that tell of the request.
func TestLogLinesNameTheRequest(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{"json": `"request":"r-1"`, "text": "request=r-1"} {
		var log bytes.Buffer
		c := &Config{LogFormat: format}
		c.logger(&log).InfoContext(telemetry.With(t.Context(), slog.String("request", "r-1")), "done")
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s: the line does not name the request: %s", format, log.String())
		}
	}
}
