package rest

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed skeleton
var skeleton embed.FS

var connectorName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,40}$`)

// Begin writes the files of a new connector into dir/name: a manifest with its README, a record's schema, its mapping and what
// the conformance kit writes. It overwrites nothing.
func Begin(dir, name, title string) error {
	if !connectorName.MatchString(name) {
		return fmt.Errorf("%q: a connector's name starts with a letter and has at most 41 lower-case letters, digits and hyphens", name)
	}
	if title == "" {
		title = name
	}
	if strings.ContainsFunc(title, func(c rune) bool { return c < ' ' || strings.ContainsRune(`"\{}:#`, c) }) {
		return fmt.Errorf("%q: a title has no quotes, braces, colons and the like", title)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // nothing in it is secret
		return err
	}
	target := filepath.Join(dir, name)
	if err := os.Mkdir(target, 0o755); err != nil { //nolint:gosec // nothing in it is secret
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s is there already", target)
		}
		return err
	}
	files, err := fs.Sub(skeleton, "skeleton")
	if err != nil {
		return err
	}
	names := strings.NewReplacer("{{NAME}}", name, "{{TITLE}}", title)
	return fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		to := filepath.Join(target, filepath.FromSlash(path))
		if d.IsDir() {
			return os.Mkdir(to, 0o755) //nolint:gosec // nothing in it is secret
		}
		source, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, []byte(names.Replace(string(source))), 0o644) //nolint:gosec // nothing in it is secret
	})
}
