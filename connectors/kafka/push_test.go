package kafka_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"crmhub/core/connector"
)

func push(t testing.TB, s session, writes ...connector.Write) {
	t.Helper()
	results, err := s.Push(t.Context(), "order", writes)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Outcome != connector.Done {
			t.Fatalf("write %d: %v", i, r.Err)
		}
	}
}

func create(number string, version int64) connector.Write {
	return connector.Write{Op: connector.OpCreate, Reference: number, Version: version, Data: map[string]any{"number": number}}
}

func TestAWriteIsACloudEventAndADeletionATombstone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect(t)
	push(t, s, create("SO-1", 3))
	push(t, s, connector.Write{Op: connector.OpDelete, ID: "SO-1", Reference: "SO-1", Version: 4})
	messages := w.consume(w.code+".order.out.v1", 2)
	type seen struct {
		Key, Value string
		Headers    map[string]string
	}
	var got []seen
	for _, m := range messages {
		headers := map[string]string{}
		for _, h := range m.Headers {
			headers[h.Key] = string(h.Value)
		}
		if at, err := time.Parse(time.RFC3339Nano, headers["ce_time"]); err != nil || time.Since(at) > time.Hour {
			t.Errorf("ce_time %q", headers["ce_time"])
		}
		delete(headers, "ce_time")
		got = append(got, seen{string(m.Key), string(m.Value), headers})
	}
	headers := map[string]string{
		"ce_specversion": "1.0", "ce_id": "order/SO-1/3/5cd7f0a95243", "ce_source": "/crmhub/main/" + w.code, "ce_type": "crmhub.order.created",
		"ce_subject": "SO-1", "ce_partitionkey": "SO-1", "ce_dataschema": "urn:crmhub:schema:kafka:order", "ce_entityversion": "3",
		"content-type": "application/json",
	}
	gone := maps.Clone(headers)
	gone["ce_id"], gone["ce_type"], gone["ce_entityversion"] = "order/SO-1/4/e3b0c44298fc", "crmhub.order.deleted", "4"
	if diff := cmp.Diff([]seen{{"SO-1", `{"number":"SO-1"}`, headers}, {"SO-1", "", gone}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if messages[1].Value != nil {
		t.Error("the deletion has an empty value, which is no tombstone")
	}
}

// Where Java's partitioner puts these keys on six partitions: toPositive(Utils.murmur2(key)) % 6 of kafka-clients 4.4.0.
func TestKeysLieWhereJavaPutsThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect(t)
	want := map[string]int32{"SO-2026-000001": 1, "SO-2026-000002": 5, "C-000001": 2, "SKU-7": 3, "客户": 5, "a": 4}
	for key := range want {
		push(t, s, create(key, 1))
	}
	got := map[string]int32{}
	for _, m := range w.consume(w.code+".order.out.v1", len(want)) {
		got[string(m.Key)] = m.Partition
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheEventIDIsTheSameForTheSameWriteOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect(t)
	mended := create("SO-1", 1)
	mended.Data = map[string]any{"number": "SO-1", "remark": "as the mended mapping makes it"}
	for _, one := range []connector.Write{create("SO-1", 1), create("SO-1", 1), mended, create("SO-1", 2)} {
		push(t, s, one)
	}
	var ids []string
	for _, m := range w.consume(w.code+".order.out.v1", 4) {
		i := slices.IndexFunc(m.Headers, func(h kgo.RecordHeader) bool { return h.Key == "ce_id" })
		ids = append(ids, string(m.Headers[i].Value))
	}
	if ids[0] != ids[1] || ids[0] == ids[2] || ids[0] == ids[3] || ids[2] == ids[3] {
		t.Errorf("%v", ids)
	}
}

func TestATopicThatIsMadeKeepsTheNewestState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	push(t, w.connect(t), create("SO-1", 1))
	request := kmsg.NewPtrDescribeConfigsRequest()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, w.code+".order.out.v1"
	resource.ConfigNames = []string{"cleanup.policy", "max.message.bytes"}
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(t.Context(), w.other())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range response.Resources[0].Configs {
		got[c.Name] = *c.Value
	}
	if diff := cmp.Diff(map[string]string{"cleanup.policy": "compact", "max.message.bytes": "8388608"}, got); diff != "" {
		t.Error(diff)
	}
}

// What a topic does not take is refused as data, and the others of its call are written.
func TestARecordTooLargeIsRefusedAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connect(t)
	large := create("large", 1)
	large.Data["remark"] = strings.Repeat("x", 2<<20)
	results, err := s.Push(t.Context(), "order", []connector.Write{create("a", 1), large, create("b", 1)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []connector.Outcome{connector.Done, connector.Refused, connector.Done} {
		if results[i].Outcome != want {
			t.Errorf("write %d: outcome %d, %v", i, results[i].Outcome, results[i].Err)
		}
	}
	if e := results[1].Err; e == nil || e.Class != connector.ClassData || e.Remedy == "" {
		t.Errorf("%+v", e)
	}
	if r, err := s.Get(t.Context(), "order", "large"); r != nil || err != nil {
		t.Errorf("it is there: %v, %v", r, err)
	}
}

func TestOtherOrganizationsHaveTopicsOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.connectAs(t, "acme")
	push(t, s, create("SO-1", 1))
	if got := w.consume("acme."+w.code+".order.out.v1", 1); string(got[0].Key) != "SO-1" {
		t.Errorf("%v", got)
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.config["brokers"] = "127.0.0.1:1"
	s := w.connect(t)
	began := time.Now()
	err := s.Check(t.Context())
	if e := new(connector.Error); !errors.As(err, &e) || e.Class != connector.ClassTransient {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	if _, err := s.Push(t.Context(), "order", []connector.Write{create("SO-1", 1)}); err == nil {
		t.Error("a write to nobody succeeded")
	}
}
