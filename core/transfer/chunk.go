package transfer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// A file lies in the database in chunks, so that every process reaches it. Each is written and read by a short
// transaction: who sends or fetches a file slowly holds nothing up.

// chunkSize is how many bytes a chunk has, but for the last.
const chunkSize = 1 << 20

// chunkTable names the table of one sort of files and the column that says whose a chunk is.
type chunkTable struct{ name, owner string }

var (
	importChunks = chunkTable{"import_chunks", "import_id"} //nolint:gochecknoglobals // a constant
	exportChunks = chunkTable{"export_chunks", "export_id"} //nolint:gochecknoglobals // a constant
)

func newSum() hash.Hash { return sha256.New() }

func appendChunk(ctx context.Context, db *postgres.DB, who postgres.Principal, t chunkTable, id uuid.UUID, seq int, data []byte) error {
	err := db.As(ctx, who, func(tx pgx.Tx) error {
		if t == importChunks {
			if _, err := tx.Exec(ctx, `update imports set progress_at = now() where id = $1`, id); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "insert into "+t.name+" ("+t.owner+", seq, data) values ($1, $2, $3)", id, seq, data)
		return err
	})
	if err != nil {
		return fmt.Errorf("store a piece of a file: %w", err)
	}
	return nil
}

// chunkReader reads a file out of its chunks.
type chunkReader struct {
	ctx  context.Context //nolint:containedctx // of the one reading, which io.Reader has no place for
	db   *postgres.DB
	who  postgres.Principal
	from chunkTable
	id   uuid.UUID
	seq  int
	rest []byte
}

func readChunks(ctx context.Context, db *postgres.DB, who postgres.Principal, t chunkTable, id uuid.UUID) *chunkReader {
	return &chunkReader{ctx: ctx, db: db, who: who, from: t, id: id}
}

// Read gives the next bytes, io.EOF after the last.
func (r *chunkReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		err := r.db.As(r.ctx, r.who, func(tx pgx.Tx) error {
			return tx.QueryRow(r.ctx, "select data from "+r.from.name+" where "+r.from.owner+" = $1 and seq = $2", r.id, r.seq).Scan(&r.rest)
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, fmt.Errorf("read a piece of a file: %w", err)
		}
		r.seq++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// chunkWriter writes a file into chunks. Close writes the last one.
type chunkWriter struct {
	ctx  context.Context //nolint:containedctx // of the one writing, which io.Writer has no place for
	db   *postgres.DB
	who  postgres.Principal
	to   chunkTable
	id   uuid.UUID
	seq  int
	size int64
	full []byte
}

// Write takes bytes in and stores them by chunks.
func (w *chunkWriter) Write(p []byte) (int, error) {
	taken := len(p)
	for len(p) > 0 {
		n := min(chunkSize-len(w.full), len(p))
		w.full = append(w.full, p[:n]...)
		p = p[n:]
		if len(w.full) == chunkSize {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return taken, nil
}

// Close stores what is left.
func (w *chunkWriter) Close() error {
	if len(w.full) == 0 {
		return nil
	}
	return w.flush()
}

func (w *chunkWriter) flush() error {
	if err := appendChunk(w.ctx, w.db, w.who, w.to, w.id, w.seq, w.full); err != nil {
		return err
	}
	w.seq++
	w.size += int64(len(w.full))
	w.full = w.full[:0]
	return nil
}
