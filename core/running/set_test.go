package running_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"crmhub/core/running"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is where workers say that they are on.
type stage struct {
	mu  sync.Mutex
	on  map[string]int
	all int // that ever came on
}

// work is on the stage as k and how, until it is ended or what it waits for is closed.
func (s *stage) work(k, how string, leaves <-chan struct{}) running.Work {
	return running.Work{As: how, Run: func(ctx context.Context) {
		s.add(k+how, 1)
		defer s.add(k+how, -1)
		select {
		case <-ctx.Done():
		case <-leaves:
		}
	}}
}

func (s *stage) add(who string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.on[who] += n; s.on[who] == 0 {
		delete(s.on, who)
	}
	s.all += max(n, 0)
}

func TestWhatRunsIsWhatIsWanted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		all := rapid.SliceOfN(rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.SampledFrom([]string{"1", "2"})), 1, 6).Draw(r, "wanted")
		synctest.Test(t, func(t *testing.T) {
			s := stage{on: map[string]int{}}
			var set running.Set[string]
			begun, before := 0, map[string]string{}
			for _, hows := range all {
				wanted, want := map[string]running.Work{}, map[string]int{}
				for k, how := range hows {
					wanted[k], want[k+how] = s.work(k, how, nil), 1
					if before[k] != how {
						begun++
					}
				}
				before = maps.Clone(hows)
				set.Want(t.Context(), wanted)
				synctest.Wait()
				if diff := cmp.Diff(want, s.on); diff != "" {
					t.Fatal(diff)
				}
			}
			set.Stop()
			if len(s.on) > 0 || s.all != begun {
				t.Fatal(fmt.Sprint(slices.Collect(maps.Keys(s.on)), " run on; ", s.all, " were begun instead of ", begun))
			}
		})
	})
}

func TestWhatReturnedIsBegunAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := stage{on: map[string]int{}}
		var set running.Set[string]
		defer set.Stop()
		leaves := make(chan struct{})
		wanted := map[string]running.Work{"a": s.work("a", "", leaves)}
		set.Want(t.Context(), wanted)
		close(leaves)
		synctest.Wait()
		set.Want(t.Context(), wanted)
		synctest.Wait()
		if s.all != 2 {
			t.Error("it was begun ", s.all, " times")
		}
	})
}
