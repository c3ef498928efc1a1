package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// folder is the connection's folder, open for one call. No path leads out of it, by no link either ([os.Root]).
//
//	main.beancount                     reads all that is below book
//	book/account/<account>.beancount   each account that was ever posted to
//	book/commodity/EUR.beancount
//	book/invoice/2026/05/<id>.beancount, book/payment/…
//	card/customer/<id>.json, card/product/…
type folder struct {
	root   *os.Root
	suffix string
}

// The modes: the bookkeepers' group reads.
const (
	dirMode  = 0o750
	fileMode = 0o640
)

func openFolder(name, suffix string) (*folder, error) {
	if name == "" {
		return nil, &connector.Error{Class: connector.ClassConfig, Message: "this hub gives connections no folders", Remedy: "Start it with CRMHUB_FILES_DIR.", Said: schema.Say("no_folders")}
	}
	err := os.MkdirAll(name, dirMode)
	if err == nil {
		var root *os.Root
		if root, err = os.OpenRoot(name); err == nil {
			return &folder{root, suffix}, nil
		}
	}
	return nil, failed(err)
}

// failed is an error of the file system.
func failed(err error) *connector.Error {
	e := &connector.Error{Class: connector.ClassTransient, Message: "the folder of the journals cannot be used: " + cause(err), Err: err, Said: schema.Say("folder_unusable", cause(err))}
	if errors.Is(err, fs.ErrPermission) {
		e.Class, e.Remedy, e.Said = connector.ClassConfig, "Let the hub's user write the folder.", schema.Say("folder_closed")
	}
	return e
}

// cause is an error without the paths it names.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Op + ": " + e.Err.Error()
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Op + ": " + e.Err.Error()
	}
	return err.Error()
}

func (f *folder) close() { _ = f.root.Close() }

// read returns a file's bytes, nil if there is none.
func (f *folder) read(name string) ([]byte, error) {
	b, err := f.root.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// write puts a file in its place: whole, and on the disk when it returns.
func (f *folder) write(name string, content []byte) error {
	dir := path.Dir(name)
	if err := f.root.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	draft := path.Join(dir, ".new-"+rand.Text())
	if err := f.writeSynced(draft, content); err != nil {
		return errors.Join(err, f.discard(draft))
	}
	if err := f.root.Rename(draft, name); err != nil {
		return errors.Join(err, f.discard(draft))
	}
	return f.sync(dir)
}

func (f *folder) discard(name string) error {
	if err := f.root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (f *folder) writeSynced(name string, content []byte) error {
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Sync(), file.Close())
}

// sync makes names last: of a directory, and of those it lies in, which may be new too.
func (f *folder) sync(dir string) error {
	for {
		d, err := f.root.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
		if dir == "." {
			return nil
		}
		dir = path.Dir(dir)
	}
}

// declare writes a file that never changes, if it is not there.
func (f *folder) declare(name, content string) error {
	if _, err := f.root.Stat(name); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return f.write(name, []byte(content))
}

// locate returns where the file of a document is, "" if nowhere. It looks into each month there is.
func (f *folder) locate(ctx context.Context, record, id string) (string, error) {
	if record == customer || record == product {
		name := path.Join("card", record, id+".json")
		return f.existing(name)
	}
	book := path.Join("book", record)
	if found, err := f.existing(path.Join(book, undated, id+f.suffix)); found != "" || err != nil {
		return found, err
	}
	months, err := fs.Glob(f.root.FS(), path.Join(book, "[0-9]*", "[0-9]*"))
	if err != nil {
		return "", fmt.Errorf("list months: %w", err)
	}
	for _, month := range months {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if found, err := f.existing(path.Join(month, id+f.suffix)); found != "" || err != nil {
			return found, err
		}
	}
	return "", nil
}

// undated is where documents are that were not posted yet.
const undated = "draft"

func (f *folder) existing(name string) (string, error) {
	_, err := f.root.Stat(name)
	switch {
	case err == nil:
		return name, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	}
	return "", err
}

// move takes a file elsewhere, all at once.
func (f *folder) move(from, to string) error {
	if err := f.root.MkdirAll(path.Dir(to), dirMode); err != nil {
		return err
	}
	if err := f.root.Rename(from, to); err != nil {
		return err
	}
	return errors.Join(f.sync(path.Dir(to)), f.sync(path.Dir(from)))
}
