package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"crmhub/core/connector"
)

func TestMessagesOfAllModesBecomeRecords(t *testing.T) {
	t.Parallel()
	const at = "2026-03-01T10:00:00Z"
	data := map[string]any{"total": "12.30"}
	cases := []struct {
		name    string
		message *kgo.Record
		deleted bool
		data    map[string]any
		time    string // "" is the message's own
	}{
		{"plain JSON", message("", "k", `{"total":"12.30"}`), false, data, ""},
		{"binary CloudEvent", message("", "k", `{"total":"12.30"}`, "ce_specversion", "1.0", "ce_type", "erp.invoice.posted", "ce_time", at, "content-type", "application/json; charset=utf-8"), false, data, at},
		{"structured CloudEvent", message("", "k", `{"specversion":"1.0","type":"erp.invoice.posted","time":"`+at+`","data":{"total":"12.30"}}`, "content-type", "application/cloudevents+json"), false, data, at},
		{"structured with bytes", message("", "k", `{"specversion":"1.0","type":"x","data_base64":"eyJ0b3RhbCI6IjEyLjMwIn0="}`, "content-type", "application/cloudevents+json; charset=UTF-8"), false, data, ""},
		{"tombstone", message("", "k", ""), true, nil, ""},
		{"event that says deleted", message("", "k", `{"total":"12.30"}`, "CE_Type", "erp.invoice.deleted"), true, data, ""},
		{"structured without data", message("", "k", `{"specversion":"1.0","type":"erp.invoice.deleted","data":null}`, "content-type", "application/cloudevents+json"), true, nil, ""},
	}
	w := newWorld(t)
	topic := w.code + ".invoice.v1"
	w.createTopic(topic, 1)
	for _, tc := range cases {
		tc.message.Topic = topic
		w.publish(tc.message)
	}
	records, _ := pullAll(t, w.connect(t), "invoice", nil, 3)
	if len(records) != len(cases) {
		t.Fatalf("%d records of %d messages", len(records), len(cases))
	}
	for i, tc := range cases {
		want := connector.Record{ID: "k", Version: fmt.Sprintf("0:%d", i), Deleted: tc.deleted, Data: tc.data, UpdatedAt: records[i].UpdatedAt}
		if tc.time != "" {
			want.UpdatedAt, _ = time.Parse(time.RFC3339, tc.time)
		} else if time.Since(want.UpdatedAt) > time.Hour {
			t.Errorf("%s: updated at %s", tc.name, want.UpdatedAt)
		}
		if diff := cmp.Diff(want, records[i]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestBadMessagesSayWhereTheyLieAndTheirNeighboursGoOn(t *testing.T) {
	t.Parallel()
	large := `{"text":"` + strings.Repeat("x", 9<<20) + `"}`
	cases := []struct {
		name    string
		message *kgo.Record
		id      string // "" is the place
		err     string
	}{
		{"no JSON", message("", "k1", "hello"), "k1", "/value: is no JSON"},
		{"no object", message("", "k2", "[1]"), "k2", "/value: is no JSON object"},
		{"too large", message("", "k3", large), "k3", "more than 8388608"},
		{"no id", message("", "", `{"a":1}`), "", "/key: the message has no id"},
		{"key that is no text", message("", "\xff\xfe", `{"a":1}`), "", "/key: the id is no text"},
		{"endless key", message("", strings.Repeat("k", 600), `{"a":1}`), "", "/key: the id is no text"},
		{"NUL", message("", "k4", `{"a":["b\u0000"]}`), "k4", "NUL"},
		{"odd media type", message("", "k5", `{}`, "content-type", "///"), "k5", "/headers/content-type"},
		{"no CloudEvent", message("", "k6", `{"a":1}`, "content-type", "application/cloudevents+json"), "k6", "/value/specversion: must be 1.0"},
	}
	w := newWorld(t)
	topic := w.code + ".invoice.v1"
	w.createTopic(topic, 1)
	big, err := kgo.NewClient(kgo.SeedBrokers(w.addr), kgo.ProducerBatchMaxBytes(16<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer big.Close()
	for _, tc := range cases {
		tc.message.Topic = topic
		if tc.message.Key != nil && len(tc.message.Key) == 0 {
			tc.message.Key = nil
		}
		if err := big.ProduceSync(t.Context(), tc.message, message(topic, "good", `{"a":1}`)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	records, _ := pullAll(t, w.connect(t), "invoice", nil, 100)
	if len(records) != 2*len(cases) {
		t.Fatalf("%d records", len(records))
	}
	for i, tc := range cases {
		bad, good := records[2*i], records[2*i+1]
		if good.ID != "good" || good.Err != nil {
			t.Errorf("%s: its neighbour became %+v", tc.name, good)
		}
		id := tc.id
		if id == "" {
			id = fmt.Sprintf("%s/0/%d", topic, 2*i)
		}
		if bad.Err == nil || bad.ID != id || !strings.Contains(bad.Err.Error(), tc.err) {
			t.Errorf("%s: id %q, %v", tc.name, bad.ID, bad.Err)
		}
		if bad.Data["topic"] != topic || bad.Data["partition"] != int32(0) || bad.Data["offset"] != int64(2*i) {
			t.Errorf("%s: does not say where it lies: %v", tc.name, bad.Data)
		}
		if text, _ := bad.Data["value"].(string); len(text) > 5<<10 {
			t.Errorf("%s: %d bytes are kept", tc.name, len(text))
		}
	}
}

func TestTheIDMayStandInTheValue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config["id"], w.config["invoice_in"] = "/head/no~1s/0", w.code+"-books"
	w.createTopic(w.code+"-books", 1)
	w.publish(message(w.code+"-books", "any", `{"head":{"no/s":[4711]}}`), message(w.code+"-books", "any", `{"head":{}}`))
	records, _ := pullAll(t, w.connect(t), "invoice", nil, 10)
	if len(records) != 2 || records[0].ID != "4711" || records[0].Err != nil || records[1].Err == nil {
		t.Errorf("%+v", records)
	}
}

// However pages and sessions fall, each message comes once, and those of a key in their order.
func TestEveryMessageComesOnceAndInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	topic := w.code + ".order.v1"
	w.createTopic(topic, 5)
	const keys, versions = 40, 9
	s := w.connect(t)
	seen, next := 0, map[string]int{}
	var at []byte
	for half := range 2 {
		var batch []*kgo.Record
		for v := range versions {
			for k := range keys {
				batch = append(batch, message(topic, fmt.Sprint("k", k), fmt.Sprintf(`{"v":%d}`, half*versions+v)))
			}
		}
		w.publish(batch...)
		for page := 0; ; page++ {
			if page%3 == 2 {
				s = w.connect(t) // as after a crash
			}
			p, err := s.Pull(t.Context(), connector.PullRequest{Stream: "order", Cursor: at, Limit: 7 + page%30})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range p.Records {
				if got := fmt.Sprint(r.Data["v"]); got != fmt.Sprint(next[r.ID]) {
					t.Fatalf("%s came in version %s, not %d", r.ID, got, next[r.ID])
				}
				next[r.ID]++
				seen++
			}
			if at = p.Cursor; !p.More {
				break
			}
		}
	}
	if want := 2 * keys * versions; seen != want {
		t.Errorf("%d messages came, %d were published", seen, want)
	}
}

// What a transaction wrote counts when it is committed, and its markers and what was aborted do not stop the run.
func TestOnlyCommittedMessagesCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	topic := w.code + ".payment.v1"
	w.createTopic(topic, 1)
	producer, err := kgo.NewClient(kgo.SeedBrokers(w.addr), kgo.TransactionalID(w.code), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	s := w.connect(t)
	var at []byte
	for _, tc := range []struct {
		key string
		end kgo.TransactionEndTry
	}{{"aborted", kgo.TryAbort}, {"committed", kgo.TryCommit}, {"again aborted", kgo.TryAbort}} {
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := producer.ProduceSync(t.Context(), message(topic, tc.key, "{}")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if open, _ := pullAll(t, s, "payment", at, 10); len(open) != 0 {
			t.Errorf("an open transaction gave %v", open)
		}
		if err := producer.EndTransaction(t.Context(), tc.end); err != nil {
			t.Fatal(err)
		}
		var records []connector.Record
		for deadline := time.Now().Add(2 * time.Minute); ; { // the marker is written after the transaction's end is decided
			before := string(at)
			var some []connector.Record
			some, at = pullAll(t, s, "payment", at, 10)
			records = append(records, some...)
			if string(at) != before && (tc.end == kgo.TryAbort || len(records) > 0) || time.Now().After(deadline) {
				break
			}
		}
		if want := tc.end == kgo.TryCommit; (len(records) == 1) != want {
			t.Errorf("%s: %v", tc.key, records)
		}
	}
}

func TestATopicThatDoesNotGoOnIsADoubt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(w *world, topic string)
		doubt  string
		ids    []string // that come when it is accepted
	}{
		"retention passed the cursor": {func(w *world, topic string) {
			for i := range 5 {
				w.publish(message(topic, fmt.Sprint("new", i), "{}"))
			}
			w.deleteRecords(topic, 0, 6)
		}, "begins at offset 6: the messages from 3 on were deleted", []string{"new3", "new4"}},
		"made anew": {func(w *world, topic string) {
			w.deleteTopic(topic)
			w.recreate(topic)
			for i := range 5 {
				w.publish(message(topic, fmt.Sprint("new", i), "{}"))
			}
		}, "was deleted and made anew", []string{"new0", "new1", "new2", "new3", "new4"}},
		"gone": {func(w *world, topic string) { w.deleteTopic(topic) }, "is gone", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			topic := w.code + ".invoice.v1"
			w.createTopic(topic, 1)
			w.publish(message(topic, "a", "{}"), message(topic, "b", "{}"), message(topic, "c", "{}"))
			s := w.connect(t)
			_, at := pullAll(t, s, "invoice", nil, 2)
			tc.change(w, topic)
			// Until the broker knows of the change everywhere, there is no doubt or another.
			for deadline := time.Now().Add(2 * time.Minute); ; {
				_, err := s.Pull(t.Context(), connector.PullRequest{Stream: "invoice", Cursor: at, Limit: 10})
				if doubt, ok := errors.AsType[*connector.Doubt](err); ok && strings.Contains(doubt.Message, tc.doubt) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal(err)
				}
			}
			var ids []string
			for more := true; more; {
				p, err := s.Pull(t.Context(), connector.PullRequest{Stream: "invoice", Cursor: at, Limit: 3, Accept: true})
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range p.Records {
					ids = append(ids, r.ID)
				}
				at, more = p.Cursor, p.More
			}
			if diff := cmp.Diff(tc.ids, ids); diff != "" {
				t.Errorf("accepted (-want +got):\n%s", diff)
			}
		})
	}
}

// recreate makes a topic again that is being deleted.
func (w *world) recreate(topic string) {
	w.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		err := w.tryCreateTopic(topic, 1)
		if err == nil {
			w.client = nil // it knows the old topic; it is closed with the test
			return
		}
		if time.Now().After(deadline) {
			w.Fatal(err)
		}
	}
}

func TestNobodyHasPublishedYet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect(t)
	records, at := pullAll(t, s, "invoice", nil, 10)
	if len(records) != 0 {
		t.Errorf("%v", records)
	}
	w.createTopic(w.code+".invoice.v1", 2)
	w.publish(message(w.code+".invoice.v1", "a", "{}"))
	if records, _ = pullAll(t, s, "invoice", at, 10); len(records) != 1 {
		t.Errorf("%v", records)
	}
}

func TestWatchReturnsWhenThereIsSomething(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	topic := w.code + ".invoice.v1"
	w.createTopic(topic, 3)
	w.publish(message(topic, "a", "{}"))
	s := w.connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := s.Watch(ctx, "invoice", nil); err != nil {
		t.Fatal(err)
	}
	_, at := pullAll(t, s, "invoice", nil, 10)
	news := make(chan error, 1)
	go func() { news <- s.Watch(ctx, "invoice", at) }()
	select {
	case err := <-news:
		t.Fatalf("nothing is new: %v", err)
	case <-time.After(100 * time.Millisecond): // a Watch that returns later than this is found by no test, and costs a run
	}
	w.publish(message(topic, "b", "{}"))
	if err := <-news; err != nil {
		t.Fatal(err)
	}
	short, stop := context.WithCancel(ctx)
	stop()
	if err := s.Watch(short, "invoice", at); err == nil {
		t.Error("a cancelled watch says that there is something")
	}
}
