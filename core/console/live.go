package console

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// liveEvery is how often what is followed is looked at.
const liveEvery = time.Second

// glance is how something that moves looks now: a part of its page, and whether it goes on.
type glance struct {
	fragment []byte
	open     bool
}

// follow streams what moves as server-sent events: "fragment" with HTML each time it has moved, and "done" when it goes on no
// more. The stream ends then, and when the browser goes.
func (v *visit) follow(ctx context.Context, look func() (glance, error)) error {
	now, err := look()
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
		if !bytes.Equal(now.fragment, last) {
			last = now.fragment
			writeEvent(v.w, "fragment", last)
		}
		if !now.open {
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
		if now, err = look(); err != nil {
			if ctx.Err() == nil {
				// No error page fits into a stream; the browser asks again by itself.
				v.console.Logger.WarnContext(ctx, "progress ended", "path", v.r.URL.Path, "error", err)
			}
			return nil
		}
	}
}

// writeEvent writes one server-sent event; each line of data is a line of its own.
func writeEvent(w io.Writer, name string, data []byte) {
	_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, bytes.ReplaceAll(data, []byte("\n"), []byte("\ndata: "))) // the browser may have gone
}
