package file_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"crmhub/core/connector"
	"crmhub/core/secret"
)

func newKey(t testing.TB) (ssh.Signer, ed25519.PrivateKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, private
}

func publicKey(t testing.TB) string {
	t.Helper()
	signer, _ := newKey(t)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

// losing is a connection whose server's next answer is lost, and it with that, when somebody wants so.
type losing struct {
	net.Conn
	armed *atomic.Bool
}

func (l losing) Write(b []byte) (int, error) {
	if l.armed.CompareAndSwap(true, false) {
		_ = l.Close()
	}
	return l.Conn.Write(b)
}

// serve runs an SFTP server for a folder until the test ends. cut breaks its connections off; lose does so in place of an answer.
func serve(t *testing.T, dir string, host ssh.Signer, client ssh.PublicKey) (port int, cut, lose func()) {
	t.Helper()
	config := &ssh.ServerConfig{
		PasswordCallback: func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			if string(password) != "hunter2" {
				return nil, io.EOF
			}
			return nil, nil
		},
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if string(key.Marshal()) != string(client.Marshal()) {
				return nil, io.EOF
			}
			return nil, nil
		},
	}
	config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	armed := &atomic.Bool{}
	cut = func() {
		mu.Lock()
		defer mu.Unlock()
		for c := range open {
			_ = c.Close()
		}
	}
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			wg.Go(func() { talk(losing{conn, armed}, config, dir) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		cut()
		wg.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port, cut, func() { armed.Store(true) }
}

func talk(conn net.Conn, config *ssh.ServerConfig, dir string) {
	defer func() { _ = conn.Close() }()
	c, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { ssh.DiscardRequests(requests) })
	for n := range channels {
		channel, in, err := n.Accept()
		if err != nil {
			return
		}
		wg.Go(func() {
			for r := range in {
				_ = r.Reply(r.Type == "subsystem" && string(r.Payload[4:]) == "sftp", nil)
			}
		})
		wg.Go(func() {
			defer func() { _ = channel.Close() }()
			s, err := sftp.NewServer(channel, sftp.WithServerWorkingDirectory(dir))
			if err == nil {
				_ = s.Serve()
			}
		})
	}
}

// onServer is an inbox whose files lie on an SFTP server.
func onServer(t *testing.T) (i *inbox, cut, lose func()) {
	t.Helper()
	i = newInbox(t, `{"settle_seconds": 60}`)
	host, _ := newKey(t)
	client, private := newKey(t)
	port, cut, lose := serve(t, i.dir, host, client.PublicKey())
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	i.secrets = map[string]secret.Text{"private_key": secret.New(string(pem.EncodeToMemory(block)))}
	i.config["sftp"] = map[string]any{
		"host": "127.0.0.1", "port": jsonNumber(port), "user": "finance", "host_key": strings.TrimSpace(string(ssh.MarshalAuthorizedKey(host.PublicKey()))), "directory": "in",
	}
	i.dir = filepath.Join(i.dir, "in")
	return i, cut, lose
}

func TestFilesComeFromAnSFTPServer(t *testing.T) {
	t.Parallel()
	i, cut, _ := onServer(t)
	s := i.open()
	if err := s.Check(t.Context()); err != nil { // it makes the folders, too
		t.Fatal(err)
	}
	i.drop("customers.csv", "code\nA\nB\nC\n")
	i.drop("customers-bad.csv", "name\nA\n")
	i.want("seen for the first time", ids(i.run("customer")), []string(nil))
	i.clock = i.clock.Add(2 * time.Minute)
	i.want("a page", ids(i.pages("customer", 1, 2))[1:], []string{"A"})
	i.want("the rest", ids(i.run("customer")), []string{"B", "C"})
	cut()
	if err := s.Check(t.Context()); err == nil || connector.AsError(err).Class != connector.ClassTransient {
		t.Error("the connection was cut:", err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error("it connects again:", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	i.want("nothing is left", ids(i.run("customer")), []string(nil))
	i.want("moved", i.there(), []string{"done/customers.csv", "failed/customers-bad.csv", "failed/customers-bad.csv.error.txt"})
}

func TestServersMustShowTheirKey(t *testing.T) {
	t.Parallel()
	i, _, _ := onServer(t)
	sftp := i.config["sftp"].(map[string]any)
	good := sftp["host_key"]
	sftp["host_key"] = publicKey(t)
	s := i.open()
	err := s.Check(t.Context())
	if e := connector.AsError(err); err == nil || e.Class != connector.ClassAuth || !strings.Contains(e.Message, "another host key") {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	sftp["host_key"] = good
	for password, class := range map[string]connector.Class{"wrong": connector.ClassAuth, "hunter2": ""} {
		i.secrets = map[string]secret.Text{"password": secret.New(password)}
		s := i.open()
		err := s.Check(t.Context())
		if err != nil != (class != "") || err != nil && (connector.AsError(err).Class != class || strings.Contains(err.Error(), password)) {
			t.Errorf("%s: %v", password, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func jsonNumber(n int) json.Number { return json.Number(strconv.Itoa(n)) }
