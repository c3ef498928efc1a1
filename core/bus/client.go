package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"crmhub/core/secret"
)

// Config says which brokers to use and how to sign in.
type Config struct {
	Brokers []string // host:port; one that answers is enough to find the others
	SASL    SASL     // the zero value signs nobody in
	TLS     bool
	Logger  *slog.Logger
}

// SASL is who signs in, and how.
type SASL struct {
	Mechanism string // plain, scram-sha-256 or scram-sha-512
	User      string
	Password  secret.Text
}

func (s SASL) mechanism() (sasl.Mechanism, error) {
	switch {
	case s.User == "":
		return nil, nil //nolint:nilnil // nobody signs in, which kafka-go says so
	case s.Mechanism == "plain":
		return plain.Mechanism{Username: s.User, Password: s.Password.Reveal()}, nil
	case s.Mechanism == "scram-sha-256":
		return scram.Mechanism(scram.SHA256, s.User, s.Password.Reveal())
	case s.Mechanism == "scram-sha-512":
		return scram.Mechanism(scram.SHA512, s.User, s.Password.Reveal())
	default:
		return nil, fmt.Errorf("SASL mechanism %q is not one of plain, scram-sha-256, scram-sha-512", s.Mechanism)
	}
}

// ErrUnreachable means that no broker answers, ErrRefused that one answers and does not let this client in.
var (
	ErrUnreachable = errors.New("no broker can be reached")
	ErrRefused     = errors.New("the broker refuses the user or password")
)

const (
	clientID    = "crmhub" // as brokers' logs and quotas name the hub
	dialTimeout = 10 * time.Second
)

// Client speaks to one Kafka cluster. It is safe for concurrent use.
type Client struct {
	config    Config
	dialer    *kafka.Dialer
	transport *kafka.Transport
	kafka     *kafka.Client
}

// Open makes a client and tries to reach the cluster. Credentials that are refused are an error (ErrRefused); brokers
// out of reach are only logged, since everything in this package waits for them.
func Open(ctx context.Context, c Config) (*Client, error) {
	if len(c.Brokers) == 0 {
		return nil, errors.New("open bus: no brokers are configured")
	}
	mechanism, err := c.SASL.mechanism()
	if err != nil {
		return nil, fmt.Errorf("open bus: %w", err)
	}
	var tlsConfig *tls.Config
	if c.TLS {
		tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	client := &Client{
		config: c,
		dialer: &kafka.Dialer{ClientID: clientID, Timeout: dialTimeout, TLS: tlsConfig, SASLMechanism: mechanism},
	}
	client.transport = client.newTransport()
	client.kafka = &kafka.Client{Addr: kafka.TCP(c.Brokers...), Transport: client.transport}
	if err := client.Ping(ctx); err != nil {
		if !errors.Is(err, ErrUnreachable) {
			client.Close()
			return nil, fmt.Errorf("open bus: %w", err)
		}
		c.Logger.WarnContext(ctx, "no broker can be reached yet", "error", err)
	}
	return client, nil
}

func (c *Client) newTransport() *kafka.Transport {
	return &kafka.Transport{
		ClientID: clientID, DialTimeout: dialTimeout, TLS: c.dialer.TLS, SASL: c.dialer.SASLMechanism,
		MetadataTTL: 2 * time.Second, // bounds how long a moved partition, or a cluster that came back, goes unnoticed
	}
}

// Close ends connections that are not in use.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Ping asks the brokers in turn until one answers. The error wraps ErrUnreachable or ErrRefused.
func (c *Client) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var errs []error
	for _, broker := range c.config.Brokers {
		err := c.probe(ctx, broker)
		if err == nil || errors.Is(err, ErrRefused) {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// probe tells a wrong password from a dead broker, which kafka-go's calls report alike. Brokers that just hang up
// while somebody signs in refuse too.
func (c *Client) probe(ctx context.Context, broker string) error {
	var connected atomic.Bool
	dialer := *c.dialer
	dialer.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		connected.Store(err == nil)
		return conn, err
	}
	conn, err := dialer.DialContext(ctx, "tcp", broker)
	if err == nil {
		defer func() { _ = conn.Close() }()
		if deadline, ok := ctx.Deadline(); ok {
			_ = conn.SetDeadline(deadline)
		}
		if _, err = conn.Brokers(); err == nil {
			return nil
		}
	}
	hungUp := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if errors.Is(err, kafka.SASLAuthenticationFailed) || connected.Load() && c.config.SASL.User != "" && hungUp {
		return fmt.Errorf("%w: %s as %s at %s: %w", ErrRefused, c.config.SASL.Mechanism, c.config.SASL.User, broker, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnreachable, broker, strippedOfAddress(err))
}

// strippedOfAddress drops the words around a refused connection that repeat the address.
func strippedOfAddress(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && strings.HasPrefix(op.Op, "dial") {
		return op.Err
	}
	return err
}
