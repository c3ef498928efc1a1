package console

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
)

// liveEvery is how often a run that is followed is looked at.
const liveEvery = time.Second

// followRun streams the run's progress as server-sent events: "fragment" with HTML each time it moves, and "done"
// when the run has ended. The stream ends then, and when the browser goes.
func (c *Console) followRun(ctx context.Context, v *visit) error {
	id, err := v.id(job.ErrNotFound)
	if err != nil {
		return err
	}
	r, fragment, err := c.progress(ctx, v, id)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/event-stream")
	v.w.Header().Set("X-Accel-Buffering", "no") // proxies that buffer would hold the progress back
	flush := http.NewResponseController(v.w).Flush
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	var last []byte
	for {
		if !bytes.Equal(fragment, last) {
			last = fragment
			writeEvent(v.w, "fragment", fragment)
		}
		if !r.Moves() {
			writeEvent(v.w, "done", nil)
			_ = flush() // the browser may have gone
			return nil
		}
		if flush() != nil {
			return nil // the browser has gone
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if r, fragment, err = c.progress(ctx, v, id); err != nil {
			if ctx.Err() == nil {
				// No error page fits into a stream; the browser asks again by itself.
				c.Logger.WarnContext(ctx, "progress ended", "run", id, "error", err)
			}
			return nil
		}
	}
}

// progress renders the part of the run's page that moves.
func (c *Console) progress(ctx context.Context, v *visit, id uuid.UUID) (r runRow, fragment []byte, err error) {
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		r.Run, err = job.GetRun(ctx, tx, id)
		return err
	})
	if err != nil {
		return r, nil, err
	}
	fragment, err = c.render.render(v.lang, "run", "run-progress", r)
	return r, fragment, err
}

// writeEvent writes one server-sent event; each line of data is a line of its own.
func writeEvent(w io.Writer, name string, data []byte) {
	_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, bytes.ReplaceAll(data, []byte("\n"), []byte("\ndata: "))) // the browser may have gone
}
