package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"crmhub/core/connector"
)

// Pull gives the next records of one file. The cursor of a session's first call for a stream is one that was committed:
// what it knows as done is moved out of the way then, and not before.
func (s *session) Pull(ctx context.Context, r connector.PullRequest) (page connector.Page, err error) {
	err = s.do(ctx, func() error {
		l, err := s.layout(r.Stream)
		if err != nil {
			return err
		}
		if l.format != "" {
			return misconfigured(l.record + " is written over this connection, not read")
		}
		c, err := parseCursor(r.Cursor)
		if err != nil {
			return err
		}
		files, err := s.files(ctx, l)
		if err != nil {
			return err
		}
		c.look(files, s.now(), s.place.trusted())
		if !s.tidied[l.record] {
			files = s.tidy(ctx, c, files)
			s.tidied[l.record] = true
		}
		due := c.due(files, s.now(), s.settings.settle())
		if len(due) > 0 {
			if page.Records, err = s.take(ctx, l, due[0], c[due[0].Name], max(r.Limit, 1)); err != nil {
				return err
			}
			page.More = len(due) > 1 || !c[due[0].Name].Done
		}
		page.Cursor, err = c.text()
		return err
	})
	return page, err
}

// files are those that belong to a layout.
func (s *session) files(ctx context.Context, l *layout) ([]found, error) {
	all, err := s.place.list(ctx)
	if err != nil {
		return nil, err
	}
	var some []found
	for _, f := range all {
		if s.settings.owner(f.Name) == l {
			some = append(some, f)
		}
	}
	return some, nil
}

// take reads records of a file and notes in its state how far that came.
func (s *session) take(ctx context.Context, l *layout, f found, st *state, limit int) (records []connector.Record, err error) {
	r, err := s.reading(ctx, l, f, st)
	if err == nil {
		for len(records) < limit {
			var it item
			if it, err = r.source.next(); err != nil {
				break
			}
			records = append(records, l.recordOf(f.Name, r.spooled, f, it))
			r.row, st.Row = it.last, it.last
		}
	}
	whole, isFault := errors.AsType[fileFault](err)
	switch {
	case err == nil:
		return records, nil
	case errors.Is(err, io.EOF):
		st.Done = true
	case isFault:
		st.Done, st.Fault = true, whole.Error()
		records = append(records, connector.Record{
			ID: f.Name + "@" + f.Modified.UTC().Format("20060102T150405Z"), UpdatedAt: f.Modified, Data: map[string]any{}, Err: fmt.Errorf("%s: %w", f.Name, whole),
		})
	case errors.Is(err, errChanged):
		st.Since = s.now().UTC()
	case errors.Is(err, fs.ErrNotExist): // somebody took it away
		st.Done = true
	default:
		s.forget(l.record)
		return nil, err
	}
	s.forget(l.record)
	return records, nil
}

// reading opens a file where its state says that reading is to go on, or returns it as the page before left it.
func (s *session) reading(ctx context.Context, l *layout, f found, st *state) (*reading, error) {
	if r := s.underWay[l.record]; r != nil {
		if r.found == f && r.row == st.Row && r.spooled.digest == st.Digest {
			return r, nil
		}
		s.forget(l.record)
	}
	in, err := spool(ctx, s.place, f)
	if errors.Is(err, errTooLarge) {
		return nil, fileFault{err}
	}
	if err != nil {
		return nil, err
	}
	if st.Digest != in.digest {
		st.Digest, st.Row = in.digest, 0 // it is another file, though it looks the same from outside
	}
	// What is read of the temporary file must outlive this call.
	src, err := s.settings.read(context.WithoutCancel(ctx), l, f.Name, in)
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	r := &reading{found: f, spooled: in, source: src}
	for r.row < st.Row {
		it, err := src.next()
		if err == nil && ctx.Err() != nil {
			err = ctx.Err()
		}
		if err != nil {
			r.close()
			return nil, err
		}
		r.row = it.last
	}
	s.underWay[l.record] = r
	return r, nil
}

func (s *session) forget(record string) {
	if r := s.underWay[record]; r != nil {
		r.close()
		delete(s.underWay, record)
	}
}

// tidy moves what is done to done, and what could not be read to failed with the reason beside it. It returns what stays.
// A move that fails is tried again at the next run: that the file is done, the cursor knows.
func (s *session) tidy(ctx context.Context, c cursor, files []found) (rest []found) {
	for _, f := range files {
		st := c[f.Name]
		if !st.Done || s.settings.Done == "keep" && st.Fault == "" {
			rest = append(rest, f)
			continue
		}
		if err := s.moveAway(ctx, f, st); err != nil {
			s.logger(ctx, "a file that is done was not moved away", f.Name, err)
			rest = append(rest, f)
			continue
		}
		delete(c, f.Name)
	}
	return rest
}

func (s *session) moveAway(ctx context.Context, f found, st *state) error {
	folder := doneFolder
	if st.Fault != "" {
		folder = failedFolder
	}
	tags := []string{"", s.now().UTC().Format("20060102T150405.000000Z")}
	if len(st.Digest) > 8 {
		tags = []string{"", st.Digest[:8], tags[1]}
	}
	err := fs.ErrExist
	for _, tag := range tags {
		to := freeName(folder, f.Name, tag)
		if err = s.place.move(ctx, f, to); !errors.Is(err, fs.ErrExist) {
			if err == nil && st.Fault != "" {
				err = s.place.put(ctx, to+".error.txt", strings.NewReader(st.Fault+"\n"))
			}
			return err
		}
	}
	return err
}

// versionOf is a digest of a record's content.
func versionOf(data map[string]any) string {
	b, err := json.Marshal(data) // names sorted
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
