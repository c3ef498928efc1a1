package file

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"crmhub/core/sheet"
)

// maxFile is how large a file may be.
const maxFile = 1 << 30

var (
	errTooLarge = errors.New("the file has more than 1 GiB: part it")
	errChanged  = errors.New("the file is being written")
)

// draftOf is a name under which a file is written that is to get another one.
func draftOf(name string) string { return "." + rand.Text() + "-" + name }

// spooled is a file taken over whole into a temporary one: what is read of it cannot change meanwhile.
type spooled struct {
	*os.File
	digest string
	form   sheet.Form
}

// spool takes a file over. Close what it returns.
func spool(ctx context.Context, p place, f found) (_ *spooled, err error) {
	in, err := p.open(ctx, f.Name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	temporary, err := os.CreateTemp("", "crmhub-file-")
	if err != nil {
		return nil, fmt.Errorf("take a file over: %w", err)
	}
	_ = os.Remove(temporary.Name()) // it is gone when it is closed, however this process ends
	s := &spooled{File: temporary}
	defer func() {
		if err != nil {
			_ = temporary.Close()
		}
	}()
	sum, sensor := sha256.New(), &sheet.Sensor{}
	n, err := io.Copy(io.MultiWriter(temporary, sum, sensor), io.LimitReader(stopping{ctx, in}, maxFile+1))
	if err != nil {
		return nil, err
	}
	if n > maxFile {
		return nil, errTooLarge
	}
	if n != f.Size {
		return nil, errChanged
	}
	if _, err := temporary.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("take a file over: %w", err)
	}
	s.digest, s.form = hex.EncodeToString(sum.Sum(nil)), sensor.Form()
	return s, nil
}

// stopping reads until ctx ends.
type stopping struct {
	ctx context.Context //nolint:containedctx // of the one copy it is made for
	in  io.Reader
}

func (s stopping) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.in.Read(p)
}
