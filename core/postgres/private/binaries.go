package private

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// oldest is the first major version whose SQL the migrations understand.
const oldest = 14

// packageFolders are where packages put the server's programs without adding them to PATH.
var packageFolders = []string{ //nolint:gochecknoglobals // a constant list
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/usr/lib/postgresql*/bin",
	"/usr/libexec/postgresql*",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// findBinaries returns the folder of the server's programs: of the given major version, or the newest if it is "".
func findBinaries(ctx context.Context, c Config, version string) (string, error) {
	var folders []string
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, filepath.Dir(path))
		}
	}
	for _, pattern := range packageFolders {
		found, _ := filepath.Glob(pattern) // the patterns are well-formed
		folders = append(folders, found...)
	}
	best, bestMajor := "", 0
	for _, dir := range folders {
		major := majorVersion(ctx, dir)
		if version != "" && strconv.Itoa(major) != version || major < oldest || major <= bestMajor {
			continue
		}
		best, bestMajor = dir, major
	}
	if best != "" {
		return best, nil
	}
	return fetchBinaries(ctx, c, version)
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

func majorVersion(ctx context.Context, dir string) int {
	for _, program := range []string{"postgres", "initdb", "pg_ctl"} {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
			return 0
		}
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "pg_ctl"), "--version").Output()
	if err != nil {
		return 0
	}
	m := versionPattern.FindSubmatch(out)
	if m == nil {
		return 0
	}
	major, _ := strconv.Atoi(string(m[1])) // digits by the pattern
	return major
}

// fetchBinaries has the embedded-postgres library download and unpack a server, once.
func fetchBinaries(ctx context.Context, c Config, version string) (string, error) {
	dir := filepath.Join(c.Cache, "postgresql")
	bin := filepath.Join(dir, "bin")
	if major := majorVersion(ctx, bin); major >= oldest && (version == "" || strconv.Itoa(major) == version) {
		return bin, nil
	}
	if version != "" && !slices.Contains([]string{"16"}, version) {
		return "", fmt.Errorf("the data was made by PostgreSQL %s, which is not on this machine: install it", version)
	}
	c.Logger.Info("no PostgreSQL on this machine: fetching one", "cache", dir)
	scratch, err := os.MkdirTemp(c.Cache, "fetch-*")
	if err != nil {
		return "", fmt.Errorf("fetch PostgreSQL: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	port, err := freePort(ctx)
	if err != nil {
		return "", fmt.Errorf("fetch PostgreSQL: %w", err)
	}
	ep := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(embeddedpostgres.V16).Port(uint32(port)). //nolint:gosec // a port
		CachePath(dir).BinariesPath(dir).RuntimePath(filepath.Join(scratch, "run")).DataPath(filepath.Join(scratch, "data")).
		Logger(io.Discard))
	// The library has no call that only fetches. Started by root it unpacks and then fails at initdb, which is fine here.
	startErr := ep.Start()
	if startErr == nil {
		startErr = ep.Stop()
	}
	if majorVersion(ctx, bin) == 0 {
		return "", fmt.Errorf("fetch PostgreSQL (install it, or set CRMHUB_DATABASE_URL): %w", errors.Join(startErr, ctx.Err()))
	}
	return bin, nil
}
