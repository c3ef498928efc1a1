//go:build system

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is the hub's binary, built once for all system tests.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "crmhub-system-*")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		program = filepath.Join(dir, "crmhub")
		build := exec.Command("go", "build", "-o", program, ".")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

// hub is a crmhub process with a data directory of its own. It can be killed and started again.
type hub struct {
	t     testing.TB
	dir   string
	addr  string
	env   []string
	token string
	cmd   *exec.Cmd
	log   *os.File

	options  []byte // of its private server
	postgres string // folder of that server's programs
}

// newHub prepares a hub; start runs it. Further settings come as environment variables.
func newHub(t testing.TB, env ...string) *hub {
	t.Helper()
	dir, err := os.MkdirTemp("", "crmhub-data-*") //nolint:usetesting // the database's user must pass through
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h := &hub{t: t, dir: dir, addr: freeAddr(t, 1)}
	h.env = append(os.Environ(), append([]string{
		"CRMHUB_DATA_DIR=" + dir, "CRMHUB_LISTEN=" + h.addr, "CRMHUB_BROKER_LISTEN=" + freeAddr(t, 1),
	}, env...)...)
	if h.log, err = os.Create(filepath.Join(dir, "hub.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.stop()
		if t.Failed() {
			t.Logf("the hub's last words:\n%s", lastLines(h.log.Name(), 40))
		}
		_ = h.log.Close()
		_ = os.RemoveAll(dir)
	})
	return h
}

// start runs the hub and waits until it is ready.
func (h *hub) start() {
	h.t.Helper()
	h.cmd = exec.Command(program, "serve")
	h.cmd.Env, h.cmd.Stdout, h.cmd.Stderr = h.env, h.log, h.log
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.eventually(60*time.Second, "the hub is ready", func() error {
		r, err := client.Get("http://" + h.addr + "/readyz")
		if err != nil {
			return err
		}
		defer func() { _ = r.Body.Close() }()
		if r.StatusCode != http.StatusOK {
			b, _ := io.ReadAll(r.Body)
			return fmt.Errorf("%s: %s", r.Status, b)
		}
		return nil
	})
	if h.token == "" {
		h.token = strings.TrimSpace(h.command("token", "add", "test"))
	}
}

// kill ends the hub as a power cut would.
func (h *hub) kill() {
	_ = h.cmd.Process.Kill()
	_ = h.cmd.Wait()
	h.cmd = nil
}

// stop ends the hub as an operator would, its private database included.
func (h *hub) stop() {
	if h.cmd == nil {
		// Killed and not started again: its database may still run.
		h.cmd = exec.Command(program, "migrate")
		h.cmd.Env = h.env
		_ = h.cmd.Run()
		h.cmd = nil
		return
	}
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = h.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		_ = h.cmd.Process.Kill()
		<-done
		h.t.Error("the hub did not stop within a minute")
	}
	h.cmd = nil
}

// command runs a crmhub command on the hub's data and returns what it prints.
func (h *hub) command(args ...string) string {
	h.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = h.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("crmhub %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// call sends a request to the API and decodes the answer into out.
func (h *hub) call(method, path string, in, out any, header ...string) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), method, "http://"+h.addr+"/api/v1"+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	r, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if r.StatusCode >= 300 {
		return r, fmt.Errorf("%s %s: %s: %s", method, path, r.Status, b)
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			return r, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	return r, nil
}

// create posts an entity until the hub has answered, however often it is killed meanwhile; the idempotency key makes
// sure that it is created once.
func (h *hub) create(ctx context.Context, path, key string, in, out any, header ...string) error {
	for {
		r, err := h.call(http.MethodPost, path, in, out, append(header, "Idempotency-Key", key)...)
		if err == nil {
			return nil
		}
		if r != nil && r.StatusCode < 500 && r.StatusCode != http.StatusConflict && r.StatusCode != http.StatusTooManyRequests {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

var client = &http.Client{Timeout: 30 * time.Second}

// eventually polls until check gives no error.
func (h *hub) eventually(limit time.Duration, what string, check func() error) {
	h.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("not within %v: %s: %v", limit, what, err)
		}
		if h.cmd != nil && h.cmd.ProcessState != nil {
			h.t.Fatalf("the hub ended: %v", h.cmd.ProcessState)
		}
		<-time.After(100 * time.Millisecond)
	}
}

// freeAddr is a loopback address whose port, and those right after it, are free. They lie below the range that systems
// take the ports of outgoing connections from, so that they stay free while a server is restarted.
func freeAddr(t testing.TB, ports int) string {
	t.Helper()
	for range 100 {
		first := 20_000 + rand.IntN(12_000)
		free := true
		for port := first; port < first+ports; port++ {
			l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
			if err != nil {
				free = false
				break
			}
			defer func() { _ = l.Close() }()
		}
		if free {
			return fmt.Sprint("127.0.0.1:", first)
		}
	}
	t.Fatal("no free port was found")
	return ""
}

func lastLines(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
