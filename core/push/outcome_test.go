package push_test

import (
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/push"
)

func TestQuotaPausesTheConnectionAndCostsNoAttempt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.remote.script = func(call int, _ connector.Write) fault {
		if call > 5 && call < 40 {
			return throttled
		}
		return fine
	}
	var most int
	b.remote.pushed = func(connector.Write) {
		for _, l := range b.links(link.Filter{}) {
			most = max(most, l.Attempts)
		}
	}
	b.stream.Concurrency = 1
	b.run(b.pusher(b.topic))
	cs := customers(30)
	b.save(cs...)
	b.arrived(cs...)
	if most > 0 {
		t.Errorf("%d attempts were counted", most)
	}
}

func TestOutageCostsNoAttemptAndEndsWhenTheRemoteAnswers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, class := range []connector.Class{connector.ClassTransient, connector.ClassAuth} {
		t.Run(string(class), func(t *testing.T) {
			checks := make(chan struct{}, 100)
			b.remote.lock(func() {
				b.remote.down = &connector.Error{Class: class, Message: "away"}
				b.remote.checked = func() { checks <- struct{}{} }
			})
			b.run(b.pusher(b.topic))
			cs := customers(100)
			for _, c := range cs {
				c.Code += string(class)
			}
			b.save(cs...)
			<-checks
			if class == connector.ClassTransient {
				<-checks
			} else {
				b.until("a person is waited for", func() bool { return b.state().State == connection.Stopped })
			}
			b.remote.lock(func() {
				// 15 calls would carry all of it, again and again. Those under way when the fifth failed are not called back.
				if most := 5 + b.stream.Concurrency; b.remote.refused > most {
					t.Errorf("%d calls to a remote that is away, want %d at most", b.remote.refused, most)
				}
				b.remote.refused = 0
			})
			for _, l := range b.links(link.Filter{}) {
				if l.Attempts > 0 {
					t.Errorf("an outage counts as an attempt: %+v", l)
				}
			}
			b.remote.lock(func() { b.remote.down = nil })
			if class == connector.ClassAuth {
				if err := b.breakers.Probed(t.Context(), b.ref(), b.remote.Check(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			b.synced(cs...)
			if got := b.state(); got.State != connection.Closed || got.Message != "away" || got.FailedAt == nil {
				t.Errorf("afterwards it is %+v", got)
			}
			if err := b.remote.wrong(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPoisonRecordLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.remote.script = func(_ int, w connector.Write) fault {
		if w.Data["name"] == "poison" {
			return rejected
		}
		return fine
	}
	b.run(b.pusher(b.topic))
	cs := customers(20)
	cs[3].Name, cs[4].Name = "poison", "unmappable"
	b.save(cs...)
	b.until("the others are there", func() bool { return len(b.links(link.Filter{State: link.Linked})) == 18 })
	b.until("the two have failed", func() bool { return len(b.links(link.Filter{State: link.Failed})) == 2 })
	letters := b.letters(job.Open)
	if len(letters) != 2 {
		t.Errorf("got %d dead letters, want 2: %+v", len(letters), letters)
	}
	cs[3].Name, cs[4].Name = "cured", "mapped"
	b.save(cs[3:5]...)
	b.arrived(cs...)
	if open := b.letters(job.Open); len(open) > 0 {
		t.Errorf("dead letters are still open: %+v", open)
	}
}

func (b *bench) letters(s job.LetterStatus) []job.DeadLetter {
	b.Helper()
	var p postgres.Page[job.DeadLetter]
	b.tx(func(tx pgx.Tx) (err error) {
		p, err = job.ListDeadLetters(b.Context(), tx, job.LetterFilter{Status: s})
		return err
	})
	return p.Items
}

func TestReplayedLetterIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.remote.script = first(rejected)
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	b.until("it has failed", func() bool { return len(b.letters(job.Open)) == 1 })
	b.tx(func(tx pgx.Tx) error { return push.Replay(b.Context(), tx, b.letters(job.Open)) })
	b.until("it is resolved", func() bool { return len(b.letters(job.Resolved)) == 1 })
	b.synced(c)
	b.holds(map[string]string{"C1": "one"})
}

func TestTransientRefusalIsParkedAndTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var refused sync.Map
	b.remote.script = func(_ int, w connector.Write) fault {
		if n, _ := refused.LoadOrStore(w.Reference, new(int)); *n.(*int) < 3 {
			*n.(*int)++
			return busy
		}
		return fine
	}
	b.run(b.pusher(b.topic))
	cs := customers(20)
	b.save(cs...)
	b.arrived(cs...)
}

func TestChildWaitsForItsParent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	parent := customer("P", "parent")
	b.save(parent)
	b.topic = newTopic() // the parent's change is never seen: the child must ask for it
	var cs []*crm.Customer
	for _, c := range customers(10) {
		c.ParentID = &parent.ID
		cs = append(cs, c)
	}
	p := b.pusher(b.topic)
	b.save(cs...)
	b.run(p)
	b.arrived(append(cs, parent)...)
}

func TestDeletedEntityIsDeletedThere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.run(b.pusher(b.topic))
	a, c := customer("A", "a"), customer("B", "b")
	b.save(a, c)
	b.synced(a, c)
	b.tx(func(tx pgx.Tx) error {
		e, err := b.store.Delete(b.Context(), tx, crm.By{Actor: b.who.Actor, Origin: "crm"}, crm.KindCustomer, a.ID, a.Version)
		if err == nil {
			a, _ = e.(*crm.Customer)
			b.topic.add(b.change(a))
		}
		return err
	})
	b.synced(a, c)
	b.holds(map[string]string{"B": "b"})
}

// pulled maps customers both ways.
type pulled struct{ names }

func (pulled) Fields() []mapping.Field {
	return []mapping.Field{{Path: "code", Push: true, Pull: true}, {Path: "name", Push: true, Pull: true}}
}

// TestWhatNoPullTellsOfIsHandedToOne has a record change there in a way that no list tells: its new version refuses every update.
func TestWhatNoPullTellsOfIsHandedToOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream.Pull, b.stream.Get = true, true
	b.session, b.mapping = readable{b.remote}, pulled{}
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	b.synced(c)
	b.remote.lock(func() {
		b.remote.records["1"].Version, b.remote.records["1"].Data = "9", map[string]any{"code": "C1", "name": "theirs"}
		b.remote.script = func(_ int, w connector.Write) fault {
			if w.RemoteVersion != "9" {
				return stale
			}
			return fine
		}
	})
	c.Name = "ours"
	b.save(c)
	var letters []job.DeadLetter
	b.until("the record waits for a pull", func() bool {
		letters = b.letters(job.Open)
		return len(letters) > 0
	})
	l := letters[0]
	record, err := connector.Kept(l.Payload)
	if l.Direction != job.Pull || l.Class != job.ClassWaiting || l.RemoteID != "1" || err != nil || record.Version != "9" || record.Data["name"] != "theirs" {
		t.Errorf("%+v, %v", l, err)
	}
	// What the pull does with it, in short.
	b.tx(func(tx pgx.Tx) error {
		return link.AcknowledgePulled(t.Context(), tx, b.connection, "customer", []link.Pulled{{
			EntityID: c.ID, RemoteID: "1", RemoteVersion: "9", Version: c.Version, Snapshot: []byte(`{"code": "C1", "name": "theirs"}`), Push: true,
		}})
	})
	b.synced(c)
	b.holds(map[string]string{"C1": "ours"})
}

// What was deleted here and lives on there is still known by its version: once restored it overwrites nothing unseen.
func TestAnEndThatIsNotSentForgetsNoVersion(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream.Delete = false
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	b.synced(c)
	b.tx(func(tx pgx.Tx) error {
		e, err := b.store.Delete(t.Context(), tx, crm.By{Actor: b.who.Actor, Origin: "crm"}, crm.KindCustomer, c.ID, c.Version)
		if err == nil {
			c, _ = e.(*crm.Customer)
			b.topic.add(b.change(c))
		}
		return err
	})
	b.synced(c)
	if l := b.links(link.Filter{EntityID: c.ID}); len(l) != 1 || l[0].RemoteID != "1" || l[0].RemoteVersion != "1" {
		t.Errorf("%+v", l)
	}
}
