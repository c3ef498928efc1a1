package postgrestest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"crmhub/core/postgres"
)

// made is the folder of a stopped server whose database is migrated. Test binaries copy it rather than each making its own, which takes
// three seconds of processor time. It is kept beside the fetched programs, under the digest of the migrations.
type made string

func newMade(cache string) (made, error) {
	digest := sha256.New()
	files := postgres.Migrations()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		digest.Write([]byte(path))
		digest.Write(content)
		return err
	})
	return made(filepath.Join(cache, "migrated", hex.EncodeToString(digest.Sum(nil)[:8]))), err
}

// copyTo reports whether it could; else nothing is there.
func (m made) copyTo(ctx context.Context, dir string) bool {
	before, err := os.Stat(string(m))
	if err != nil {
		return false
	}
	if copyFolder(ctx, string(m), dir) == nil {
		// What is still in its place was whole all the time: it is moved away before it is deleted.
		if after, err := os.Stat(string(m)); err == nil && os.SameFile(before, after) {
			return true
		}
	}
	_ = os.RemoveAll(dir) // a half: somebody with other migrations has deleted it meanwhile
	return false
}

// keep keeps a copy for others, unless somebody was quicker, and deletes those with other migrations. Where it cannot, each goes on to
// make its own.
func (m made) keep(ctx context.Context, dir string) {
	all := filepath.Dir(string(m))
	if os.MkdirAll(all, 0o700) != nil {
		return
	}
	beside, err := os.MkdirTemp(all, "new-*")
	if err != nil {
		return
	}
	defer func() { _ = os.RemoveAll(beside) }()
	if copyFolder(ctx, dir, filepath.Join(beside, "pg")) == nil {
		_ = os.Rename(filepath.Join(beside, "pg"), string(m)) // which fails where there is one
	}
	others, _ := filepath.Glob(filepath.Join(all, "[0-9a-f]*"))
	for _, other := range others {
		if other != string(m) {
			_ = os.Rename(other, filepath.Join(beside, filepath.Base(other)))
		}
	}
}

// copyFolder copies with owners and modes: the server's user may be another.
func copyFolder(ctx context.Context, from, to string) error {
	return exec.CommandContext(ctx, "cp", "-a", from, to).Run()
}
