package pull_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"crmhub/core/connector"
	"crmhub/core/postgres/postgrestest"
)

// watched is a remote that can tell when there is more than the cursor says.
type watched struct {
	*remote
}

// Watch is as [connector.Watcher] says.
func (r watched) Watch(ctx context.Context, stream string, cursor json.RawMessage) error {
	for {
		page, err := r.Pull(ctx, connector.PullRequest{Stream: stream, Cursor: cursor, Limit: 1})
		if err != nil || len(page.Records) > 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

func TestWhatIsNewIsPulledWithoutASchedule(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.process()
	f.remote.set("party", party(1, "One"))
	f.run("customer")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.puller.Watch(ctx, f.Connection, watched{f.remote}) }()
	count := func() int { return f.Number("select count(*) from payments") }
	f.remote.set("receipt", receipt(1, "1"))
	f.Eventually("the first comes", func() bool { return count() == 1 })
	f.remote.set("receipt", receipt(1, "1"), receipt(2, "1"), receipt(3, "1"))
	f.Eventually("the others come", func() bool { return count() == 3 })
	if n := f.Number("select count(*) from runs"); n > 4 { // a change between two looks may make one more
		t.Errorf("%d runs", n)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// What cannot be watched for a moment is not left to its schedule for ever: whoever has it watched starts again.
func TestWatchingEndsWithAnErrorWhenTheStoreIsAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.process()
	p.puller.DB = postgrestest.Open(t, f.URL)
	p.puller.DB.Close()
	if err := p.puller.Watch(t.Context(), f.Connection, watched{f.remote}); err == nil {
		t.Error("nothing is watched, and nobody knows")
	}
}
