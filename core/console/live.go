package console

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	liveEvery = time.Second // how often what is followed is looked at

	// liveFor is how long a stream lasts. The browser then asks for the next one, and whether its reader may still see this is decided anew.
	liveFor = 10 * time.Minute
)

// glance is how something that moves looks now: a part of its page, and whether it goes on.
type glance struct {
	fragment []byte
	open     bool
}

// follow streams what moves as server-sent events: "fragment" with HTML each time it has moved, and "done" when it goes on no
// more. The stream ends then, when the browser goes, and after liveFor.
func (v *visit) follow(ctx context.Context, every time.Duration, look func(ctx context.Context) (glance, error)) error {
	ctx, end := context.WithTimeout(ctx, liveFor)
	defer end()
	now, err := look(ctx)
	if err != nil {
		return err
	}
	v.endTurn()
	v.w.Header().Set("Content-Type", "text/event-stream")
	v.w.Header().Set("X-Accel-Buffering", "no") // proxies that buffer would hold the progress back
	flush := http.NewResponseController(v.w).Flush
	tick := time.NewTicker(every)
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
		if now, err = look(ctx); err != nil {
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
