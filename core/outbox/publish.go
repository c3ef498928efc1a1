package outbox

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"crmhub/core/bus"
)

// sent is a page on its way.
type sent struct {
	page
	*bus.Writing

	at time.Time // when it left
}

// publish writes page after page until something fails. While one is acknowledged the next is written and the one after
// it read, so that neither PostgreSQL nor Kafka waits for the other. well is called when something worked.
func (r *Relay) publish(ctx context.Context, well func()) error {
	clear(r.topics) // a broker that failed may have come back without them
	if err := r.checkTopics(ctx); err != nil {
		return err
	}
	w, err := r.takePosition(ctx)
	if err != nil {
		return err
	}
	writer := r.Bus.NewWriter()
	defer writer.Close()
	pages, underWay := make(chan page), make(chan sent)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(pages)
		return r.readPages(ctx, w, pages)
	})
	g.Go(func() error {
		defer close(underWay)
		return r.writePages(ctx, writer, pages, underWay)
	})
	g.Go(func() error {
		for s := range underWay {
			if err := r.acknowledge(ctx, s); err != nil {
				return err
			}
			well()
			r.signals.published(len(s.messages))
		}
		return nil
	})
	return g.Wait()
}

func (r *Relay) readPages(ctx context.Context, w window, pages chan<- page) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for paced := rate.NewLimiter(rate.Every(pace), 1); paced.Wait(ctx) == nil; {
		p, err := r.read(ctx, &w)
		if err != nil {
			return err
		}
		if len(p.messages) == 0 {
			r.signals.idle()
			select {
			case <-ctx.Done():
				return nil
			case <-r.wake:
			case <-tick.C:
			}
			continue
		}
		select {
		case pages <- p:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

func (r *Relay) writePages(ctx context.Context, writer *bus.Writer, pages <-chan page, underWay chan<- sent) error {
	for p := range pages {
		if err := r.ensureTopics(ctx, p.messages); err != nil {
			return err
		}
		select {
		case underWay <- sent{p, writer.Write(ctx, p.messages), time.Now()}:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// acknowledge waits until a page is on its topics, and moves the position behind it.
func (r *Relay) acknowledge(ctx context.Context, s sent) error {
	written, err := s.Wait()
	if err != nil {
		return err
	}
	if lost := r.ends.ahead(written); len(lost) > 0 {
		return r.startOver(ctx, lost)
	}
	if err := r.signals.beforeMove(); err != nil {
		return err
	}
	if err := r.movePosition(ctx, s, written); err != nil {
		return err
	}
	r.metrics.published.Add(float64(len(s.messages)))
	r.metrics.page.Observe(float64(len(s.messages)))
	return nil
}

func (r *Relay) ensureTopics(ctx context.Context, messages []bus.Message) error {
	var missing []string
	for _, m := range messages {
		if _, known := r.topics[m.Topic]; !known {
			r.topics[m.Topic] = true
			missing = append(missing, m.Topic)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return r.Bus.EnsureTopics(ctx, missing)
}
