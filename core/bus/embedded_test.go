package bus_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"

	"crmhub/core/bus/bustest"
	"crmhub/core/bus/embedded"
)

func TestEmbeddedBrokerIsAloneInItsDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := bustest.Start(t, dir, "127.0.0.1:0")
	config := embedded.Config{Dir: dir, Addr: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)}
	if _, err := embedded.Start(t.Context(), config); !errors.Is(err, embedded.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	bustest.Start(t, dir, "127.0.0.1:0")
}

func TestEmbeddedBrokerKeepsItsLog(t *testing.T) {
	t.Parallel()
	dir, topic := t.TempDir(), "crmhub.order.v1"
	for round := range 2 {
		b := bustest.Start(t, dir, "127.0.0.1:0")
		c := bustest.Connect(t, b.Addr())
		if err := c.EnsureTopics(t.Context(), []string{topic}); err != nil {
			t.Fatal(err)
		}
		write(t, c, topic, event(uuid.New(), int64(round+1)))
		r := c.NewReader(t.Context(), fmt.Sprint("group", round), []string{topic})
		fetch(t, r, round+1)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// damage overwrites some bytes near the beginning of each log file that holds anything.
func damage(t *testing.T, dir string) {
	t.Helper()
	damaged := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".dat" {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() == 0 {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		damaged++
		_, err = f.WriteAt([]byte("!!!!"), 40)
		return errors.Join(err, f.Close())
	})
	if err != nil || damaged == 0 {
		t.Fatalf("damaged %d files: %v", damaged, err)
	}
}
