// Package embedded is a broker in the hub's own process, for installations that name no Kafka: franz-go's kfake with
// its log on disk, behind a loopback port, so that any Kafka client can read along.
//
// Promises: a message is on disk before it is acknowledged; topics, messages and offsets of groups are there again after
// a restart; one process at a time uses a directory.
// It is a transport, never the record: the outbox in PostgreSQL can publish again whatever it lost. It is one broker
// without replicas, and its log ends where its files are damaged; the outbox's relay notices.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Config says where a broker keeps its log and listens. All fields are required.
type Config struct {
	Dir    string // made if it does not exist
	Addr   string // host:port; port 0 takes a free one
	Logger *slog.Logger
}

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	addr    string
	lock    *os.File
	close   sync.Once
}

// ErrLocked means that another process runs a broker on the directory.
var ErrLocked = errors.New("another process uses the directory")

// Start opens the log, with the topics and offsets it had, drops what is older than its topic's retention, and listens.
func Start(ctx context.Context, c Config) (_ *Broker, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("start embedded broker in %s: %w", c.Dir, err)
		}
	}()
	lock, err := lockDir(c.Dir)
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.ClusterID("crmhub"), kfake.DataDir(filepath.Join(c.Dir, "log")), kfake.SyncWrites(),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return listener, nil }),
		// It looks for old messages every 10 minutes; groups of paused connections keep their place for 30 days.
		kfake.BrokerConfigs(map[string]string{"log.cleaner.backoff.ms": "600000", "offsets.retention.minutes": "43200"}),
		kfake.WithLogger(logger{ctx: ctx, to: c.Logger}),
	)
	if err != nil {
		_ = listener.Close()
		_ = lock.Close()
		return nil, err
	}
	cluster.ApplyRetention()
	b := &Broker{cluster: cluster, addr: listener.Addr().String(), lock: lock}
	c.Logger.InfoContext(ctx, "embedded broker listens", "addr", b.addr)
	return b, nil
}

// Addr is where clients connect, host:port.
func (b *Broker) Addr() string { return b.addr }

// Close ends connections, writes the log out and frees the directory.
func (b *Broker) Close() error {
	var err error
	b.close.Do(func() {
		b.cluster.Close()
		err = b.lock.Close()
	})
	return err
}

// lockDir takes a lock that ends with the process, however that ends.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("lock: %w", err)
	}
	return f, nil
}

// logger passes on what kfake says; only its errors are of interest to an operator.
type logger struct {
	ctx context.Context //nolint:containedctx // kfake's logger takes none
	to  *slog.Logger
}

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	to := slog.LevelDebug
	if level == kfake.LogLevelError {
		to = slog.LevelError
	}
	if l.to.Enabled(l.ctx, to) {
		l.to.LogAttrs(l.ctx, to, "embedded broker", slog.String("event", fmt.Sprintf(format, args...)))
	}
}
