package bus_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kmsg"

	"crmhub/core/bus"
	"crmhub/core/bus/bustest"
)

func TestWriteSaysWhereMessagesWent(t *testing.T) {
	t.Parallel()
	c := bustest.Open(t)
	topic := "crmhub.test-" + uuid.NewString()
	if err := c.EnsureTopics(t.Context(), []string{topic}); err != nil {
		t.Fatal(err)
	}
	id := uuid.New()
	messages := []bus.Message{{Topic: topic, Event: event(id, 1)}, {Topic: topic, Event: event(id, 2)}}
	ends := map[bus.Partition]int64{}
	for round := range int64(2) {
		written, err := c.NewWriter().Write(t.Context(), messages).Wait()
		if err != nil {
			t.Fatal(err)
		}
		want := []bus.Written{{Partition: written[0].Partition, First: 2 * round, End: 2 * (round + 1)}}
		if diff := cmp.Diff(want, written); diff != "" {
			t.Errorf("two messages of one entity went (-want +got):\n%s", diff)
		}
		ends[written[0].Partition] = written[0].End
	}
	got, err := c.Ends(t.Context(), []string{topic, "crmhub.none"})
	if err != nil {
		t.Fatal(err)
	}
	for p, end := range got {
		if end != ends[p] {
			t.Errorf("%v ends at %d, want %d", p, end, ends[p])
		}
	}
	if len(got) != 6 {
		t.Errorf("the ends of %d partitions, want 6", len(got))
	}
}

// truncated is a broker whose log lost 5 of 5 messages, of which a group had committed 4.
func truncated(t *testing.T, topic, group string) (*bus.Client, uuid.UUID, bus.Partition) {
	t.Helper()
	dir := t.TempDir()
	b := bustest.Start(t, dir, "127.0.0.1:0")
	c := bustest.Connect(t, b.Addr())
	if err := c.EnsureTopics(t.Context(), []string{topic}); err != nil {
		t.Fatal(err)
	}
	id := uuid.New()
	for v := range int64(5) {
		write(t, c, topic, event(id, v+1))
	}
	r := c.NewReader(t.Context(), group, []string{topic})
	all := fetch(t, r, 5)
	if err := r.Commit(t.Context(), all[:4]); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if rewound, err := c.RewindGroups(t.Context(), ""); err != nil || len(rewound) > 0 {
		t.Errorf("a whole log: got %v, %v", rewound, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, dir)
	return bustest.Connect(t, bustest.Start(t, dir, "127.0.0.1:0").Addr()), id, bus.Partition{Topic: topic, Number: all[0].Partition}
}

// The embedded broker ends a log where its file is damaged. What is committed may then lie behind the end.
func TestGroupBeyondTheEndOfALogIsRewound(t *testing.T) {
	t.Parallel()
	topic, group := "crmhub.order.v1", "crmhub.main.erp"
	c, id, partition := truncated(t, topic, group)
	if rewound, err := c.RewindGroups(t.Context(), "other."); err != nil || len(rewound) > 0 {
		t.Errorf("groups of others: got %v, %v", rewound, err)
	}
	rewound, err := c.RewindGroups(t.Context(), "crmhub.")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]bus.Rewound{{Partition: partition, Group: group, Committed: 4}}, rewound); diff != "" {
		t.Fatalf("rewound (-want +got):\n%s", diff)
	}
	write(t, c, topic, event(id, 6))
	r := c.NewReader(t.Context(), group, []string{topic})
	if got := fetch(t, r, 1); got[0].Version != 6 {
		t.Errorf("the group goes on with version %d, want 6", got[0].Version)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestReaderBeyondTheEndOfALogEndsAndTheNextReadsAll(t *testing.T) {
	t.Parallel()
	topic, group := "crmhub.order.v1", "crmhub.main.erp"
	c, id, _ := truncated(t, topic, group)
	write(t, c, topic, event(id, 6))
	r := c.NewReader(t.Context(), group, []string{topic})
	if got, err := r.Fetch(t.Context(), 1); !errors.Is(err, bus.ErrLogLost) {
		t.Fatalf("got %v, %v, want ErrLogLost", got, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	r = c.NewReader(t.Context(), group, []string{topic})
	if got := fetch(t, r, 1); got[0].Version != 6 {
		t.Errorf("the group goes on with version %d, want 6", got[0].Version)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// Retention may pass a group that did not read for longer than a topic keeps messages. Whoever reads has to know of it.
func TestReaderBeforeTheBeginningOfALogEndsAndTheNextGoesOn(t *testing.T) {
	t.Parallel()
	addr := bustest.Addr(t)
	c := bustest.Connect(t, addr)
	topic, group := "crmhub.test-"+uuid.NewString(), "crmhub.test-"+uuid.NewString()
	if err := c.EnsureTopics(t.Context(), []string{topic}); err != nil {
		t.Fatal(err)
	}
	id := uuid.New()
	r := c.NewReader(t.Context(), group, []string{topic})
	for v := range int64(5) {
		write(t, c, topic, event(id, v+1))
	}
	all := fetch(t, r, 5)
	if err := r.Commit(t.Context(), all[:2]); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	deleteBefore(t, addr, topic, all[0].Partition, 4)

	r = c.NewReader(t.Context(), group, []string{topic})
	if got, err := r.Fetch(t.Context(), 1); !errors.Is(err, bus.ErrLogPassed) {
		t.Fatalf("got %v, %v, want ErrLogPassed", got, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	r = c.NewReader(t.Context(), group, []string{topic})
	if got := fetch(t, r, 1); got[0].Version != 5 {
		t.Errorf("the group goes on with version %d, want 5", got[0].Version)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// deleteBefore deletes the beginning of a log, as retention does.
func deleteBefore(t *testing.T, addr, topic string, partition int, offset int64) {
	t.Helper()
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Partition, p.Offset = int32(partition), offset
	of := kmsg.NewDeleteRecordsRequestTopic()
	of.Topic, of.Partitions = topic, []kmsg.DeleteRecordsRequestTopicPartition{p}
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.Topics = []kmsg.DeleteRecordsRequestTopic{of}
	answer, err := req.RequestWith(t.Context(), foreign(t, addr))
	if err != nil || answer.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("%+v, %v", answer, err)
	}
}
