package console

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
)

// Ten people watch for a minute, each at his own moments; it costs what one costs.
func TestWhatManyWatchIsReadOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const every = watchedEvery
		var s reading[uuid.UUID, int]
		reads := 0 // only who has the turn reads
		ours, theirs := uuid.New(), uuid.New()
		began := time.Now()
		read := func(context.Context) (int, error) {
			<-time.After(10 * time.Millisecond)
			reads++
			return reads, nil
		}
		var watchers sync.WaitGroup
		for i := range 10 {
			watchers.Go(func() {
				<-time.After(time.Duration(i) * 77 * time.Millisecond)
				last := 0
				for time.Since(began) < time.Minute {
					n, err := s.get(t.Context(), ours, read)
					if err != nil || n < last {
						t.Errorf("after %d comes %d, %v", last, n, err)
					}
					last = n
					<-time.After(every)
				}
			})
		}
		watchers.Wait()
		if reads < 28 || reads > 34 {
			t.Errorf("read %d times in a minute, not about 30", reads)
		}
		if n, err := s.get(t.Context(), theirs, func(context.Context) (int, error) { return -1, nil }); n != -1 || err != nil {
			t.Errorf("another organization is told %d, %v", n, err)
		}
	})
}

// What takes long is read so seldom that nobody else feels it.
func TestWhatTakesLongIsReadSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := reading[uuid.UUID, int]{}
		reads := 0
		for began := time.Now(); time.Since(began) < time.Minute; <-time.After(2 * time.Second) {
			_, _ = s.get(t.Context(), uuid.Nil, func(context.Context) (int, error) {
				<-time.After(500 * time.Millisecond)
				reads++
				return reads, nil
			})
		}
		if reads < 5 || reads > 6 {
			t.Errorf("half a second's reading was done %d times in a minute", reads)
		}
	})
}

// Who goes while he reads leaves it to the next one, and who goes while he waits does not wait.
func TestReaderWhoGoesLeavesItToTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := reading[uuid.UUID, int]{}
		stays := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
		first, leave := context.WithCancel(t.Context())
		impatient, give := context.WithTimeout(t.Context(), time.Second)
		defer give()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := s.get(first, uuid.Nil, stays); !errors.Is(err, context.Canceled) {
				t.Error("the first reader got", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if _, err := s.get(impatient, uuid.Nil, stays); !errors.Is(err, context.DeadlineExceeded) {
				t.Error("the impatient one got", err)
			}
		})
		all.Go(func() {
			if n, err := s.get(t.Context(), uuid.Nil, func(context.Context) (int, error) { return 7, nil }); n != 7 || err != nil {
				t.Errorf("the next reader got %d, %v", n, err)
			}
		})
		<-time.After(2 * time.Second)
		leave()
		all.Wait()
	})
}

// What nobody watches any more is forgotten, so that odd addresses fill no memory.
func TestWhatNobodyWatchesIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := reading[int, int]{}
		for what := range 1000 {
			if n, err := s.get(t.Context(), what, func(context.Context) (int, error) { return what, nil }); n != what || err != nil {
				t.Fatalf("%d is told %d, %v", what, n, err)
			}
			<-time.After(100 * time.Millisecond)
		}
		if n := len(s.of); n > 25 {
			t.Errorf("%d are held", n)
		}
	})
}
