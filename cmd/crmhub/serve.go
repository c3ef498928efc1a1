package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

type serveCommand struct{}

// Run serves until interrupted.
func (c *serveCommand) Run(ctx context.Context, cfg *Config, out output) (err error) {
	h, err := newHub(ctx, cfg, out)
	if err != nil {
		return err
	}
	defer h.closeInto(ctx, &err)
	if h.first.Login != "" {
		fmt.Fprintf(out.stdout, "First start. Sign in at %s as %s with password %s (shown once).\n", h.url(), h.first.Login, h.first.Password.Reveal())
	} else {
		fmt.Fprintf(out.stdout, "Serving on %s\n", h.url())
	}
	return h.run(ctx)
}

// closeInto releases everything, within a minute, and adds what went wrong to err.
func (h *hub) closeInto(ctx context.Context, err *error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	*err = errors.Join(*err, h.undo.close(ctx))
}
