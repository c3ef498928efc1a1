//go:build system

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// spent is the processor time that each party to a benchmark has taken, that others have, and that nobody has. Wall time tells as
// much of the others as of the hub.
func (l *loaded) spent() map[string]time.Duration {
	l.t.Helper()
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err != nil {
		l.t.Fatal(err)
	}
	spent := map[string]time.Duration{
		"hub":      processorTime(l.t, l.cmd.Process.Pid),
		"postgres": processorTime(l.t, pidIn(l.t, filepath.Join(l.dir, "postgres", "data", "postmaster.pid"))),
		"kafka":    processorTime(l.t, pidIn(l.t, filepath.Join(l.kafka.dir, "pid"))),
		"bench":    time.Duration(self.Utime.Nano() + self.Stime.Nano()),
	}
	busy, idle := machineTime(l.t)
	for _, d := range spent {
		busy -= d
	}
	spent["others"], spent["idle"] = busy, idle
	return spent
}

// machineTime is what all processes have taken of all processors since the machine started, and what nobody has.
func machineTime(t testing.TB) (busy, idle time.Duration) {
	t.Helper()
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	all, _, _ := strings.Cut(string(b), "\n")
	for i, f := range strings.Fields(all)[1:] { // see proc(5)
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		switch d := time.Duration(ticks) * time.Second / 100; i {
		case 3, 4:
			idle += d
		case 0, 1, 2, 5, 6, 7:
			busy += d
		}
	}
	return busy, idle
}

// pidIn reads the process id in the first line of a file.
func pidIn(t testing.TB, file string) int {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// processorTime is what a process has taken, and its children, ended or not.
func processorTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var ticks int64
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(b), ") ") // the name may have blanks
		fields := strings.Fields(rest)             // from the third on, see proc(5)
		own := filepath.Base(filepath.Dir(file)) == strconv.Itoa(pid)
		if !own && fields[1] != strconv.Itoa(pid) {
			continue
		}
		times := fields[11:13] // of its own, in user and kernel mode
		if own {
			times = fields[11:15] // and of children that have ended
		}
		for _, f := range times {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				t.Fatal(fmt.Errorf("%s: %w", file, err))
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ is 100 on Linux
}
