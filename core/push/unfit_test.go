package push_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/push"
)

// An entity whose mapping does not fit the hub any more waits, and a person can see it; the connection's others go on.
func TestEntityWithAnUnfitMappingWaitsAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	unfit := errors.New("line 3: there is no field fax")
	contacts := push.Stream{Stream: connector.Stream{Entity: "contact", Record: "person", Capabilities: b.stream.Capabilities}, Unfit: unfit}

	stop := b.run(b.pusherOf(b.topic, push.Stream{Stream: b.stream, Mapping: b.mapping}, contacts))
	c := customer("C1", "one")
	b.save(c)
	person := push.Change{Entity: "contact", ID: uuid.New(), Version: 4, Data: []byte(`{}`)}
	b.topic.add(person, push.Change{Entity: "contact", ID: uuid.New(), Version: 2, Deleted: true}, person)
	b.until("the customer is there, and the contact waits", func() bool {
		waiting := b.links(link.Filter{Entity: "contact"})
		return b.remote.names()["C1"] == "one" && len(waiting) == 1 && waiting[0].WantedVersion == 4 && waiting[0].NextAttemptAt != nil
	})
	if letters := b.open("contact"); len(letters) != 1 || letters[0].Stage != job.StageMapping || letters[0].Said == nil {
		t.Errorf("nobody can see why: %+v", letters)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}

	stop = b.run(b.pusherOf(b.topic, push.Stream{Stream: b.stream, Unfit: unfit}))
	c.Name = "two"
	other := customer("C2", "other")
	b.save(c, other)
	b.until("both wait", func() bool {
		waiting := 0
		for _, l := range b.links(link.Filter{Entity: "customer"}) {
			if l.NextAttemptAt != nil {
				waiting++
			}
		}
		return waiting == 2 && len(b.open("customer")) == 1
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
	b.holds(map[string]string{"C1": "one"})

	b.run(b.pusherOf(b.topic, push.Stream{Stream: b.stream, Mapping: b.mapping}))
	b.synced(c, other)
	b.holds(map[string]string{"C1": "two", "C2": "other"})
	if letters := b.open("customer"); len(letters) > 0 {
		t.Errorf("it is mended and still said to be broken: %+v", letters)
	}
}

// open are the open dead letters of an entity.
func (b *bench) open(entity string) (letters []job.DeadLetter) {
	b.Helper()
	b.tx(func(tx pgx.Tx) error {
		p, err := job.ListDeadLetters(b.Context(), tx, job.LetterFilter{Status: job.Open, Entity: entity})
		letters = p.Items
		return err
	})
	return letters
}
