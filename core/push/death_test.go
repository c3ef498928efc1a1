package push_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/link"
	"crmhub/core/push"
)

func TestPushDoesNotDuplicateAfterTimeout(t *testing.T) {
	t.Parallel()
	for name, what := range map[string]fault{"done, answer lost": committed, "not done": vanished, "done later": laterDone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.remote.script = first(slices.Repeat([]fault{what}, 20)...)
			b.run(b.pusher(b.topic))
			cs := customers(20)
			b.save(cs...)
			b.arrived(cs...)
		})
	}
}

func TestHalfDoneCreateIsCompleted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream.Steps = true
	b.remote.script = func(_ int, w connector.Write) fault {
		if w.Op == connector.OpCreate {
			return halfDone
		}
		return fine
	}
	b.run(b.pusher(b.topic))
	cs := customers(20)
	b.save(cs...)
	b.arrived(cs...)
}

func TestEntityChangedDuringAnUnknownCreateEndsUpNew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.remote.script = first(committed)
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	b.until("the first create is out", func() bool { return b.calls() == 1 })
	c.Name, c.Code = "two", "C2" // the reference changes, too
	b.save(c)
	b.synced(c)
	b.holds(map[string]string{"C2": "two"})
}

func TestVanishedCreateIsRepeatedUnderTheNewReference(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.remote.script = first(vanished, committed)
	out, renamed := make(chan struct{}), make(chan struct{})
	b.atFirst(func() {
		close(out)
		<-renamed // nobody looks the first create up before
	})
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	<-out
	c.Code = "C2"
	b.save(c)
	close(renamed)
	b.synced(c)
	b.holds(map[string]string{"C2": "one"})
	if diff := cmp.Diff(map[string]int{"C2": 1}, b.remote.creates); diff != "" {
		t.Error("creates (-want +got):\n", diff)
	}
}

func TestDeathAtAnyPointLeavesExactlyOneCreateEach(t *testing.T) {
	t.Parallel()
	for _, at := range push.Steps() {
		for _, nth := range []int64{1, 4} { // 40 customers are six calls of one batch
			t.Run(fmt.Sprintf("%s %d", at, nth), func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				p := b.pusher(b.topic)
				var passed atomic.Int64
				p.SetStep(func(s push.Step) error {
					if s != at {
						return nil
					}
					if s == push.Steps()[2] || s == push.Steps()[3] { // once a call; the others, once a batch
						if passed.Add(1) < nth {
							return nil
						}
					}
					return errDied
				})
				cs := customers(40)
				b.save(cs...)
				if err := p.Run(t.Context()); !errors.Is(err, errDied) {
					t.Fatalf("got %v, want the pusher to die", err)
				}
				b.takeOver()
				b.arrived(cs...)
			})
		}
	}
}

func TestLosingTheSessionStopsThePusherAndLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cs := customers(40)
	b.atFirst(b.killWorkers)
	b.save(cs...)
	if err := b.pusher(b.topic).Run(t.Context()); err == nil {
		t.Error("a pusher without its session went on")
	}
	b.takeOver()
	b.arrived(cs...)
}

func TestCallOfAPusherTakenForDeadIsWaitedFor(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cs := customers(1)
	begun := make(chan struct{})
	b.atFirst(func() {
		b.killWorkers() // the process is alive and its call goes on, while another takes over
		close(begun)
		<-time.After(b.timeout / 2) // the call takes its time
	})
	done := make(chan error, 1)
	go func() { done <- b.pusher(b.topic).Run(t.Context()) }()
	b.save(cs...)
	<-begun
	b.takeOver()
	b.synced(cs...)
	if err := <-done; err == nil {
		t.Error("a pusher without its session went on")
	}
	b.holds(namesOf(cs))
}

func TestFailedLookUpKeepsTheOutcomeUnknown(t *testing.T) {
	t.Parallel()
	for _, class := range []connector.Class{connector.ClassTransient, connector.ClassData, connector.ClassAuth} {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.remote.script = first(committed)
			looked := 0
			b.remote.lookup = func() *connector.Error {
				if looked++; looked <= 2 {
					return &connector.Error{Class: class, Message: "no"}
				}
				return nil
			}
			b.run(b.pusher(b.topic))
			c := customer("C1", "one")
			b.save(c)
			b.synced(c)
			b.holds(map[string]string{"C1": "one"})
		})
	}
}

// takeOver is another process that begins with what the first left.
func (b *bench) takeOver() {
	b.topic.rewind()
	b.run(b.pusher(b.topic))
}

func (b *bench) killWorkers() {
	err := b.db.AsSystem(b.Context(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(b.Context(), "reset role"); err != nil {
			return err
		}
		_, err := tx.Exec(b.Context(), `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'
			and database = (select oid from pg_database where datname = current_database())`)
		return err
	})
	if err != nil {
		b.Error(err)
	}
}

func TestStoppingFinishesCallsUnderWayAndBeginsNoOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream.Batch, b.stream.Concurrency = 1, 1
	begun, goOn := make(chan struct{}), make(chan struct{})
	b.atFirst(func() {
		close(begun)
		<-goOn
	})
	stop := b.run(b.pusher(b.topic))
	cs := customers(5)
	b.save(cs...)
	<-begun
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	time.AfterFunc(20*time.Millisecond, func() { close(goOn) })
	if err := <-ended; err != nil {
		t.Error(err)
	}
	linked := len(b.links(link.Filter{State: link.Linked}))
	if linked == 0 || linked != len(b.remote.names()) {
		t.Errorf("%d linked, %d created", linked, len(b.remote.names()))
	}
	if left := len(b.links(link.Filter{State: link.Sending})); left > 0 {
		t.Errorf("%d claims were left", left)
	}
}

func TestWhatIsOldWhenItsTurnComesIsAnnouncedAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream.Batch, b.stream.Concurrency = 1, 1
	p := b.pusher(b.topic)
	p.Fresh(0)
	b.run(p)
	cs := customers(10)
	b.save(cs...)
	b.arrived(cs...)
}

func TestRecordThatExistsAlreadyIsAdopted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream.FindFirst = true
	b.remote.do(connector.Write{Op: connector.OpCreate, Reference: "C1", Data: map[string]any{"code": "C1", "name": "old"}})
	b.run(b.pusher(b.topic))
	c := customer("C1", "new")
	b.save(c)
	b.synced(c)
	b.holds(map[string]string{"C1": "new"})
}
