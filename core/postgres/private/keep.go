package private

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const keepEvery = time.Second

// Keep starts the server again, on its port, where it died without being stopped: killed for memory, or after a disk was
// full. It does so until stop is called, which comes before [Server.Stop]. One that somebody stopped stays so.
func (s *Server) Keep(ctx context.Context, logger *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for wait := keepEvery; ; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			if wait = keepEvery; !s.died() {
				continue
			}
			logger.ErrorContext(ctx, "the private database died; it is started again", "dir", s.dir)
			if err := s.launch(ctx); err != nil && ctx.Err() == nil {
				logger.ErrorContext(ctx, "the private database does not start; trying again", "error", err)
				wait = 5 * keepEvery
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// died reports whether the server left its file behind, which it takes away when it is stopped.
func (s *Server) died() bool {
	b, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	return err == nil && pid > 0 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
