package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// found is a file that lies in a place.
type found struct {
	Name     string
	Size     int64
	Modified time.Time
}

// is reports whether a file still is what was found.
func (f found) is(info fs.FileInfo) bool {
	return info.Mode().IsRegular() && info.Size() == f.Size && info.ModTime().Equal(f.Modified)
}

// place is where files are dropped and written: a folder with others below it. Names are names of files in it, or in one of these,
// with slashes.
type place interface {
	// list returns the regular files of the folder itself; links, devices and folders are none.
	list(ctx context.Context) ([]found, error)
	open(ctx context.Context, name string) (io.ReadCloser, error)
	// put stores a file whole under a name that is free; [fs.ErrExist] if it is not.
	put(ctx context.Context, name string, content io.Reader) error
	// move takes a file to another name, over nothing ([fs.ErrExist]), if it still is what was found ([fs.ErrNotExist]).
	move(ctx context.Context, from found, to string) error
	// load returns a small file's bytes, so many at most; [fs.ErrNotExist] if there is none.
	load(ctx context.Context, name string, most int64) ([]byte, error)
	// store writes a file under a name that nobody reads yet; what has it is written over. It is on the disk when store returns.
	store(ctx context.Context, name string, content []byte) error
	// rename gives a file another name at once, over what has it.
	rename(ctx context.Context, from, to string) error
	// remove takes a file away; none is fine.
	remove(ctx context.Context, name string) error
	has(ctx context.Context, name string) (bool, error)
	// makeFolder makes a folder, with those that it lies in.
	makeFolder(ctx context.Context, name string) error
	// trusted says that its times are those of the hub's own clock.
	trusted() bool
	close() error
}

// The folders below a place.
const (
	doneFolder   = "done"
	failedFolder = "failed"
)

// The modes: the group of those who drop files reads and writes.
const (
	dirMode  = 0o770
	fileMode = 0o660
)

// local is a folder of this machine, opened for each call. No path leads out of it, by no link either ([os.Root]).
type local struct{ dir string }

func (l local) root() (*os.Root, error) {
	if l.dir == "" {
		return nil, &connector.Error{Class: connector.ClassConfig, Message: "this hub gives connections no folders", Remedy: "Start it with CRMHUB_FILES_DIR.", Said: schema.Say("no_folders")}
	}
	for _, dir := range []string{"", doneFolder, failedFolder} {
		if err := os.MkdirAll(path.Join(l.dir, dir), dirMode); err != nil {
			return nil, err
		}
	}
	return os.OpenRoot(l.dir)
}

func (l local) list(ctx context.Context) ([]found, error) {
	root, err := l.root()
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var all []found
	for _, e := range entries {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, found{e.Name(), info.Size(), info.ModTime().UTC()})
	}
	return all, nil
}

func (l local) open(_ context.Context, name string) (io.ReadCloser, error) {
	root, err := l.root()
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fs.ErrNotExist // it became a link since it was listed
	}
	return root.Open(name)
}

func (l local) put(_ context.Context, name string, content io.Reader) (err error) {
	root, err := l.root()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	draft := path.Join(path.Dir(name), draftOf(path.Base(name)))
	f, err := root.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	defer func() { _ = root.Remove(draft) }() // the name that the link below leaves over
	_, err = io.Copy(f, content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := root.Link(draft, name); err != nil { // unlike a rename, over nothing
		return err
	}
	return syncFolder(root, ".")
}

func (l local) move(_ context.Context, from found, to string) error {
	root, err := l.root()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if _, err := root.Lstat(to); err == nil {
		return fs.ErrExist
	}
	if info, err := root.Lstat(from.Name); err != nil || !from.is(info) {
		return errors.Join(err, fs.ErrNotExist)
	}
	if err := root.Rename(from.Name, to); err != nil {
		return err
	}
	return errors.Join(syncFolder(root, path.Dir(to)), syncFolder(root, "."))
}

func (l local) load(ctx context.Context, name string, most int64) ([]byte, error) {
	in, err := l.open(ctx, name)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(in, most))
	return content, errors.Join(err, in.Close())
}

func (l local) store(_ context.Context, name string, content []byte) error {
	root, err := l.root()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	const mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	f, err := root.OpenFile(name, mode, fileMode)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeIn(root, path.Dir(name)); err == nil {
			f, err = root.OpenFile(name, mode, fileMode)
		}
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncFolder(root, path.Dir(name))
}

func (l local) rename(_ context.Context, from, to string) error {
	root, err := l.root()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := root.Rename(from, to); err != nil {
		return err
	}
	return syncFolder(root, path.Dir(to))
}

func (l local) remove(_ context.Context, name string) error {
	root, err := l.root()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := root.Remove(name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return syncFolder(root, path.Dir(name))
}

func (l local) has(_ context.Context, name string) (bool, error) {
	root, err := l.root()
	if err != nil {
		return false, err
	}
	defer func() { _ = root.Close() }()
	_, err = root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (l local) makeFolder(_ context.Context, name string) error {
	root, err := l.root()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return makeIn(root, name)
}

// makeIn makes a folder that lasts, with those that it lies in.
func makeIn(root *os.Root, name string) error {
	if err := root.MkdirAll(name, dirMode); err != nil {
		return err
	}
	for name != "." {
		name = path.Dir(name)
		if err := syncFolder(root, name); err != nil {
			return err
		}
	}
	return nil
}

func syncFolder(root *os.Root, name string) error {
	d, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (local) trusted() bool { return true }
func (local) close() error  { return nil }

// failed is an error of a place, without the paths that it names.
func failed(err error) *connector.Error {
	if e, ok := errors.AsType[*connector.Error](err); ok {
		return e
	}
	message := err.Error()
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		message = e.Op + ": " + e.Err.Error()
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		message = e.Op + ": " + e.Err.Error()
	}
	e := &connector.Error{Class: connector.ClassTransient, Message: "the folder cannot be used: " + strings.TrimSpace(message), Err: err, Said: schema.Say("folder_unusable", strings.TrimSpace(message))}
	if errors.Is(err, fs.ErrPermission) {
		e.Class, e.Remedy, e.Said = connector.ClassConfig, "Let the hub's user read and write the folder.", schema.Say("folder_closed")
	}
	return e
}
