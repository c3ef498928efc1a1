package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"crmhub/core/connector"
	"crmhub/core/secret"
)

// settings are a connection's configuration as the schema describes it.
type settings struct {
	Brokers     string
	TLS         bool
	CA          string
	ServerName  string `json:"server_name"`
	Certificate string
	SASL        string
	User        string
	ID          string // JSON pointer

	password, key secret.Text
	topics        map[string]string // configured ones, by customer_in or alike
	prefix        string            // of the others' names
}

func parseSettings(o connector.Options) (settings, error) {
	raw, err := json.Marshal(o.Config)
	if err != nil {
		return settings{}, fmt.Errorf("read the configuration: %w", err)
	}
	s := settings{password: o.Secrets["password"], key: o.Secrets["key"], topics: map[string]string{}, prefix: o.Connection}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("read the configuration: %w", err)
	}
	if o.Organization != "main" {
		s.prefix = o.Organization + "." + o.Connection // as the hub's own topics; another's connection may have this code, too
	}
	for name, v := range o.Config {
		if text, _ := v.(string); text != "" && (strings.HasSuffix(name, "_in") || strings.HasSuffix(name, "_out")) {
			s.topics[name] = text
		}
	}
	return s, nil
}

func (s settings) in(record string) string  { return s.topic(record+"_in", record+".v1") }
func (s settings) out(record string) string { return s.topic(record+"_out", record+".out.v1") }

func (s settings) topic(setting, otherwise string) string {
	if name, ok := s.topics[setting]; ok {
		return name
	}
	return s.prefix + "." + otherwise
}

func (s settings) brokers() []string {
	brokers := strings.Split(s.Brokers, ",")
	for i, b := range brokers {
		brokers[i] = strings.TrimSpace(b)
	}
	return brokers
}

// tls is nil for connections in the clear.
func (s settings) tls() (*tls.Config, error) {
	if !s.TLS {
		if s.CA != "" || s.Certificate != "" || s.ServerName != "" {
			return nil, errors.New("certificates are set, and TLS is off: switch tls on")
		}
		return nil, nil //nolint:nilnil // as said above
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.ServerName}
	if s.CA != "" {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM([]byte(s.CA)) {
			return nil, errors.New("ca holds no certificate in PEM")
		}
	}
	if s.Certificate != "" {
		pair, err := tls.X509KeyPair([]byte(s.Certificate), []byte(s.key.Reveal()))
		if err != nil {
			return nil, errors.New("certificate and key are no pair in PEM")
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func (s settings) mechanism() (sasl.Mechanism, error) {
	password := s.password.Reveal()
	if s.SASL != "" && (s.User == "" || password == "") {
		return nil, errors.New("sasl needs user and password")
	}
	switch s.SASL {
	case "plain":
		return plain.Auth{User: s.User, Pass: password}.AsMechanism(), nil
	case "scram-sha-256":
		return scram.Auth{User: s.User, Pass: password}.AsSha256Mechanism(), nil
	case "scram-sha-512":
		return scram.Auth{User: s.User, Pass: password}.AsSha512Mechanism(), nil
	}
	return nil, nil //nolint:nilnil // nobody signs in
}

// options make a client that gives up soon: trying again later is the engine's business.
func (s settings) options(c *tls.Config) ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.ClientID("crmhub"), kgo.SeedBrokers(s.brokers()...), kgo.DialTimeout(5 * time.Second),
		kgo.RequestRetries(3), kgo.RetryTimeout(10 * time.Second), kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.ProducerLinger(0), kgo.ProduceRequestTimeout(produceTimeout),
		// A topic just made is not known to all brokers at once: 3 s, since a try follows as soon as metadata may be asked for again.
		kgo.RecordRetries(30), kgo.UnknownTopicRetries(30),
		// A call that gave up sends no more, or an older write could follow a newer one of another process.
		kgo.AllowIdempotentProduceCancellation(),
	}
	if c != nil {
		opts = append(opts, kgo.DialTLSConfig(c))
	}
	mechanism, err := s.mechanism()
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, err
}
