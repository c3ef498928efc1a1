package private_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"crmhub/core/postgres"
	"crmhub/core/postgres/private"
)

func start(t *testing.T, dir string) *private.Server {
	t.Helper()
	s, err := private.Start(t.Context(), private.Config{
		Dir: dir, Cache: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Settings: map[string]string{"fsync": "off"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ping(t *testing.T, url string) {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A hub that was killed leaves its server running; starting on the same directory takes that server over.
func TestStartTakesOverARunningServerAndStopsIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	first := start(t, dir)
	ping(t, first.URL())
	second := start(t, dir)
	if first.URL() != second.URL() {
		t.Error("the running server was not taken over")
	}
	ping(t, second.URL())
	if err := second.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.Open(t.Context(), postgres.Config{URL: second.URL()}); err == nil {
		t.Error("the server still answers after Stop")
	}
	third := start(t, dir)
	ping(t, third.URL())
	if err := third.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A server that was killed is started again where it was; one that somebody stopped is not.
func TestKeepStartsAgainWhatDied(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	s := start(t, dir)
	stop := s.Keep(t.Context(), slog.New(slog.DiscardHandler))
	db, err := postgres.Open(t.Context(), postgres.Config{URL: s.URL(), MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	again := func() bool { // for a moment the old sessions live on
		now, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
		return err == nil && !strings.HasPrefix(string(now), first+"\n") && db.Ping(t.Context()) == nil
	}
	for deadline := time.Now().Add(time.Minute); !again(); <-time.After(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it was not started again")
		}
	}
	stop()
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}
