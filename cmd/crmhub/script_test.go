//go:build !system && !race

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"crmhub/connectors/simulator"
	"crmhub/core/postgres/postgrestest"
)

// TestMain is the program itself when the scripts call the test binary by its name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "crmhub" {
		main()
		return
	}
	postgrestest.Main(m)
}

// TestCommands runs the scripts in testdata/script: every command as a person types it, in processes of their own.
//
// The race detector is left out: a process takes seconds to start with it, and a script starts dozens.
//
// A script has a data directory and addresses of its own. Without more it works on a private server there, whose
// starts cost time; "database" gives it a database of the tests' server instead. Further commands:
//
//	database                sets CRMHUB_DATABASE_URL to a new database
//	sql STATEMENTS          runs them on that database, with all rights
//	simulator               starts the simulated systems and sets ERP and FINANCE to their addresses
//	status N PROGRAM …      runs a program that must end with status N
//	until REGEXP PROGRAM …  runs a program again and again until its output has a match
//	ready                   waits until a hub that was started in the background answers
func TestCommands(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "crmhub")); err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	if err := os.Chmod(filepath.Dir(work), 0o755); err != nil { // the database's user must pass through
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:         filepath.Join("testdata", "script"),
		WorkdirRoot: work,
		Setup:       func(env *testscript.Env) error { return prepare(env, bin) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"database": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Setenv("CRMHUB_DATABASE_URL", postgrestest.URL(test(ts)))
			},
			"sql":       runSQL,
			"simulator": startSystems,
			"status":    wantStatus,
			"until":     repeatUntil,
			"ready":     waitReady,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

type testKey struct{}

// test is the script's test.
func test(ts *testscript.TestScript) testing.TB { return ts.Value(testKey{}).(testing.TB) }

// prepare gives a script its settings, and sees to it that no server stays behind.
func prepare(env *testscript.Env, bin string) error {
	env.Values[testKey{}] = env.T()
	env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
	env.Setenv("HOME", os.Getenv("HOME")) // where fetched PostgreSQL programs are kept
	env.Setenv("CRMHUB_DATA_DIR", filepath.Join(env.WorkDir, "data"))
	for _, variable := range []string{"CRMHUB_LISTEN", "CRMHUB_BROKER_LISTEN"} {
		addr, err := freeAddr()
		if err != nil {
			return err
		}
		env.Setenv(variable, addr)
	}
	env.Defer(func() {
		if !exists(filepath.Join(env.WorkDir, "data", "postgres", "data", "postmaster.pid")) {
			return
		}
		stop := exec.Command(filepath.Join(bin, "crmhub"), "migrate") // takes the server over, and stops it
		stop.Env = append(env.Vars, "CRMHUB_DATABASE_URL=")
		_ = stop.Run()
	})
	return nil
}

func freeAddr() (string, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

func runSQL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sql STATEMENTS")
	}
	ctx := test(ts).Context()
	conn, err := pgx.Connect(ctx, ts.Getenv("CRMHUB_DATABASE_URL"))
	ts.Check(err)
	_, err = conn.Exec(ctx, args[0])
	ts.Check(errors.Join(err, conn.Close(ctx)))
}

func startSystems(ts *testscript.TestScript, _ bool, _ []string) {
	sim, err := simulator.Start(test(ts).Context(), simulator.Config{APIKey: "key-of-the-simulator", Logger: slog.New(slog.DiscardHandler)})
	ts.Check(err)
	ts.Defer(func() { _ = sim.Close() })
	ts.Setenv("ERP", sim.ERPURL())
	ts.Setenv("FINANCE", sim.FinanceURL())
}

func wantStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM [ARGUMENT ...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s ended with status %d, not %d", strings.Join(args[1:], " "), got, want)
	}
}

func repeatUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP PROGRAM [ARGUMENT ...]")
	}
	wanted, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	poll(ts, func() error {
		if err := ts.Exec(args[1], args[2:]...); err != nil {
			return err
		}
		if !wanted.MatchString(ts.ReadFile("stdout")) {
			return errors.New("no match in its output")
		}
		return nil
	})
}

func waitReady(ts *testscript.TestScript, _ bool, _ []string) {
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	poll(ts, func() error {
		r, err := client.Get("http://" + ts.Getenv("CRMHUB_LISTEN") + "/readyz")
		if err != nil {
			return err
		}
		defer func() { _ = r.Body.Close() }()
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("the hub answers %s", r.Status)
		}
		return nil
	})
}

// poll calls check until it gives no error, for two minutes at most: the machine may be busy with other tests.
func poll(ts *testscript.TestScript, check func() error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		err := check()
		switch {
		case err == nil:
			return
		case time.Now().After(deadline):
			ts.Fatalf("in vain: %v", err)
		}
		<-tick.C
	}
}
