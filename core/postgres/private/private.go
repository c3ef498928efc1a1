// Package private runs a PostgreSQL server of the hub's own, for installations that name no database.
//
// The server keeps its data below one directory, listens on a loopback port with a password only the hub's user can
// read, and never runs as root: started by root, it runs as the user postgres, or nobody where there is none.
// It outlives a hub that was killed; the next [Start] on the directory takes it over. Binaries come from the machine
// (PATH, the usual package folders), else the embedded-postgres library fetches them once.
//
// It leaves to others: that only one hub uses the directory, and what is in the database.
package private

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"crmhub/core/postgres"
)

const (
	superuser = "crmhub"
	database  = "crmhub"
)

// Config says where the server lives.
type Config struct {
	Dir      string            // its directory; made if missing, and owned by the server's user
	Cache    string            // where fetched binaries are kept
	Settings map[string]string // settings of the server beyond the hub's own, such as fsync
	Logger   *slog.Logger
}

// Server is a running private server.
type Server struct {
	dir  string
	bin  string
	user processUser
	port int
	pass string

	settings map[string]string // beyond the hub's own
}

// Start makes the server if the directory is new, takes over one that still runs, starts it else, and waits until it answers.
func Start(ctx context.Context, c Config) (*Server, error) {
	s := &Server{dir: c.Dir}
	if err := s.prepare(); err != nil {
		return nil, fmt.Errorf("private PostgreSQL in %s: %w", c.Dir, err)
	}
	var err error
	if s.bin, err = findBinaries(ctx, c, s.dataVersion()); err != nil {
		return nil, fmt.Errorf("private PostgreSQL: %w", err)
	}
	if s.dataVersion() == "" {
		c.Logger.Info("making a private database", "dir", c.Dir, "binaries", s.bin)
		if err := s.initialize(ctx); err != nil {
			return nil, fmt.Errorf("private PostgreSQL in %s: %w", c.Dir, err)
		}
	}
	if err := s.start(ctx, c); err != nil {
		return nil, fmt.Errorf("private PostgreSQL in %s: %w", c.Dir, err)
	}
	if err := s.createDatabase(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("private PostgreSQL in %s: %w", c.Dir, err), s.Stop(ctx))
	}
	return s, nil
}

// Attach returns the connection string of a server that another process runs in dir.
func Attach(dir string) (string, error) {
	s := &Server{dir: dir}
	b, err := os.ReadFile(filepath.Join(dir, "password"))
	if err != nil {
		return "", fmt.Errorf("private PostgreSQL in %s: %w", dir, err)
	}
	s.pass = string(b)
	if s.port, err = s.runningPort(); err != nil {
		return "", fmt.Errorf("private PostgreSQL in %s is not running: %w", dir, err)
	}
	return s.URL(), nil
}

// URL is the connection string of the hub's database on the server. It contains the password.
func (s *Server) URL() string { return s.url(database) }

func (s *Server) url(db string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, s.pass),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/" + db, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// StopCommand is the command that stops the server, for those who must stop it from outside this process.
func (s *Server) StopCommand() *exec.Cmd {
	return s.command(context.Background(), "pg_ctl", "stop", "-D", s.data(), "-m", "fast", "-w", "-t", "60") //nolint:forbidigo // it outlives any context
}

// Stop shuts the server down: connections are closed, everything is on disk.
func (s *Server) Stop(ctx context.Context) error {
	return s.run(ctx, "pg_ctl", "stop", "-D", s.data(), "-m", "fast", "-w", "-t", "60")
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// dataVersion is the major version that made the data directory, "" if there is none.
func (s *Server) dataVersion() string {
	b, err := os.ReadFile(filepath.Join(s.data(), "PG_VERSION"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// prepare makes the directory, and the password the server and the hub share.
func (s *Server) prepare() error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil { //nolint:gosec // the server's user must pass through; its data is 0700
		return err
	}
	var err error
	if s.user, err = serverUser(); err != nil {
		return err
	}
	if err := s.user.own(s.dir); err != nil {
		return err
	}
	path := filepath.Join(s.dir, "password")
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		b = []byte(rand.Text())
		if err = os.WriteFile(path, b, 0o600); err == nil {
			err = s.user.own(path)
		}
	}
	if err != nil {
		return err
	}
	s.pass = string(b)
	return nil
}

func (s *Server) initialize(ctx context.Context) error {
	if err := s.user.canReach(ctx, s.dir); err != nil {
		return err
	}
	args := []string{
		"-D", s.data(), "-U", superuser, "-E", "UTF8", "-A", "scram-sha-256", "-N",
		"--pwfile", filepath.Join(s.dir, "password"),
	}
	if err := s.run(ctx, "initdb", append(args, "--locale=C.UTF-8")...); err == nil {
		return nil
	}
	// Not every system knows the locale C.UTF-8.
	if err := os.RemoveAll(s.data()); err != nil {
		return err
	}
	return s.run(ctx, "initdb", append(args, "--no-locale")...)
}

func (s *Server) start(ctx context.Context, c Config) error {
	if s.run(ctx, "pg_ctl", "status", "-D", s.data()) == nil {
		// A hub that was killed left it running.
		port, err := s.runningPort()
		s.port = port
		return err
	}
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	s.port, s.settings = port, c.Settings
	return s.launch(ctx)
}

// launch starts the server on its port.
func (s *Server) launch(ctx context.Context) error {
	settings := map[string]string{
		"listen_addresses": "127.0.0.1", "port": strconv.Itoa(s.port), "unix_socket_directories": "",
		"max_connections": "100", "shared_buffers": "128MB", "timezone": "UTC", "log_timezone": "UTC",
	}
	maps.Copy(settings, s.settings)
	var opts []string
	for k, v := range settings {
		opts = append(opts, "-c "+k+"='"+v+"'")
	}
	slices.Sort(opts)
	if err := s.run(ctx, "pg_ctl", "start", "-D", s.data(), "-w", "-t", "60", "-l", filepath.Join(s.dir, "log"),
		"-o", strings.Join(opts, " ")); err != nil {
		return fmt.Errorf("%w; its log: %s", err, tail(filepath.Join(s.dir, "log")))
	}
	return nil
}

// runningPort reads the port of a running server: the fourth line of postmaster.pid.
func (s *Server) runningPort() (int, error) {
	b, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) < 4 {
		return 0, errors.New("postmaster.pid is incomplete")
	}
	return strconv.Atoi(strings.TrimSpace(lines[3]))
}

func (s *Server) createDatabase(ctx context.Context) error {
	db, err := postgres.Open(ctx, postgres.Config{URL: s.url("postgres"), MaxConns: 1})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.CreateDatabase(ctx, database, "")
}

// run runs one of the server's programs as the server's user.
func (s *Server) run(ctx context.Context, program string, args ...string) error {
	cmd := s.command(ctx, program, args...)
	// A file, not a pipe: pg_ctl start leaves a server behind that would keep a pipe open.
	out, err := os.CreateTemp("", "crmhub-pg-*")
	if err != nil {
		return err
	}
	defer func() { _ = out.Close(); _ = os.Remove(out.Name()) }()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, tail(out.Name()))
	}
	return nil
}

func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_MESSAGES=C")
	s.user.become(cmd)
	return cmd
}

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// tail returns the last lines of a file, for an error message.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "; ")
}
