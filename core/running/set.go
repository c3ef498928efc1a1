// Package running keeps goroutines running by key: it begins what is wanted, and ends what is wanted no longer or otherwise.
//
// Neither the standard library nor x/sync has such a thing: an errgroup waits for what was begun, and forgets which was which.
package running

import "context"

// Set is work under way, by key. The zero Set is empty and ready. Only one goroutine may use it at a time.
type Set[K comparable] struct{ members map[K]*member }

// Work is what a key's goroutine does.
type Work struct {
	As  string                    // by what it works, such as a version: with another it ends, and begins anew
	Run func(ctx context.Context) // works until ctx ends; when it returns earlier, the next Want begins it again
}

type member struct {
	as     string
	cancel context.CancelFunc
	done   chan struct{}
}

// Want makes what runs be what is wanted, each under ctx. It returns when all that had to end has ended.
func (s *Set[K]) Want(ctx context.Context, wanted map[K]Work) {
	s.end(func(k K, m *member) bool {
		w, ok := wanted[k]
		return !ok || w.As != m.as || m.ended()
	})
	for k, w := range wanted {
		if s.members[k] == nil {
			s.begin(ctx, k, w)
		}
	}
}

// Stop ends all work, and returns when it has ended.
func (s *Set[K]) Stop() { s.end(func(K, *member) bool { return true }) }

func (s *Set[K]) begin(ctx context.Context, k K, w Work) {
	ctx, cancel := context.WithCancel(ctx)
	m := &member{as: w.As, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		w.Run(ctx)
	}()
	if s.members == nil {
		s.members = map[K]*member{}
	}
	s.members[k] = m
}

// end ends some of the work, all at the same time.
func (s *Set[K]) end(which func(K, *member) bool) {
	var ending []*member
	for k, m := range s.members {
		if which(k, m) {
			m.cancel()
			ending = append(ending, m)
			delete(s.members, k)
		}
	}
	for _, m := range ending {
		<-m.done
	}
}

func (m *member) ended() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}
