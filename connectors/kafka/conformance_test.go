package kafka_test

import (
	"maps"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"crmhub/connectors/kafka"
	"crmhub/core/connector"
	"crmhub/core/connector/connectortest"
	"crmhub/core/secret"
)

// The topic that is written is also the one that is read, so that the kit finds what it wrote.
func TestConformance(t *testing.T) { //nolint:paralleltest // the kit looks for goroutines left behind
	w := newWorld(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "hub", "right"))
	w.config["sasl"], w.config["user"] = "scram-sha-512", "hub"
	w.config["order_in"], w.config["order_out"] = "orders", "orders"
	wrong := *w
	w.secrets = map[string]secret.Text{"password": secret.New("right")}
	wrong.secrets = map[string]secret.Text{"password": secret.New("wrong")}
	connectortest.Run(t, connectortest.Harness{
		Connector: kafka.Connector(),
		Open:      func(t *testing.T) connector.Session { return w.connect(t) },
		OpenWrong: func(t *testing.T) connector.Session { return wrong.connect(t) },
		Faults:    misbehaving{w.fake},
		Streams: []connectortest.Stream{{
			Record: "order",
			Data: func(reference string) map[string]any {
				return map[string]any{"number": reference, "currency": "EUR", "total": "12.30"}
			},
			Change: func(data map[string]any) { data["total"] = "12.31" },
			Same:   func(data, record map[string]any) bool { return maps.Equal(data, record) },
		}},
	})
}

// misbehaving lets the broker answer writes wrongly.
type misbehaving struct{ fake *kfake.Cluster }

// Inject is as the kit says.
func (m misbehaving) Inject(f connectortest.Fault) (stop func()) {
	stopped := make(chan struct{})
	m.fake.ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		select {
		case <-stopped:
			return nil, nil, false
		default:
		}
		m.fake.KeepControl()
		produce, _ := request.(*kmsg.ProduceRequest)
		response, _ := produce.ResponseKind().(*kmsg.ProduceResponse)
		switch f {
		case connectortest.HangAfterCommit:
			m.fake.SleepControl(func() { <-stopped })
			return nil, nil, false
		case connectortest.RateLimit:
			return answer(produce, response, kerr.ThrottlingQuotaExceeded.Code), nil, true
		default:
			return answer(produce, response, kerr.UnknownServerError.Code), nil, true
		}
	})
	return func() { close(stopped) }
}

func answer(request *kmsg.ProduceRequest, response *kmsg.ProduceResponse, code int16) kmsg.Response {
	for _, t := range request.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.ErrorCode = p.Partition, code
			topic.Partitions = append(topic.Partitions, partition)
		}
		response.Topics = append(response.Topics, topic)
	}
	return response
}
