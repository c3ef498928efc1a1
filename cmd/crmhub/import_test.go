package main

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestInterruptEndsTheWaitForInput(t *testing.T) {
	t.Parallel()
	waiting, typed := io.Pipe()
	defer func() { _ = typed.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := (&interruptible{ctx, waiting}).Read(make([]byte, 10)); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d, %v", n, err)
	}
}

func TestInterruptibleReadsWhatIsThere(t *testing.T) {
	t.Parallel()
	content := make([]byte, 100_000)
	for i := range content {
		content[i] = byte(i % 251)
	}
	from, to := io.Pipe()
	go func() {
		_, err := to.Write(content)
		_ = to.CloseWithError(err)
	}()
	if err := iotest.TestReader(&interruptible{t.Context(), from}, content); err != nil {
		t.Error(err)
	}
}
