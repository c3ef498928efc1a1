package attachment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// chunkSize is how many bytes a chunk has, but for the last: as many as are held in memory of a file.
const chunkSize = 1 << 20

// sniffed is how many bytes at the beginning tell what a file is.
const sniffed = 512

// Received is a file that came in and is not stored yet. Close it.
type Received struct {
	Size      int64
	SHA256    string
	MediaType string
	spool     *os.File
}

// Receive takes in a file, to its end, into a temporary one: however slowly it comes, no transaction waits for it.
func Receive(r io.Reader) (_ *Received, err error) {
	spool, err := os.CreateTemp("", "crmhub-attachment-")
	if err != nil {
		return nil, fmt.Errorf("receive a file: %w", err)
	}
	_ = os.Remove(spool.Name()) // it is gone when it is closed, however this process ends
	f := &Received{spool: spool}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	sum := sha256.New()
	if f.Size, err = io.Copy(io.MultiWriter(spool, sum), r); err != nil {
		return nil, fmt.Errorf("receive a file: %w", err)
	}
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	head := make([]byte, min(sniffed, f.Size))
	if _, err = spool.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("receive a file: %w", err)
	}
	f.MediaType = mediaTypeOf(head)
	return f, nil
}

// Close gives the temporary file up.
func (r *Received) Close() { _ = r.spool.Close() }

// unknownType is a file that nothing is done with but to save it.
const unknownType = "application/octet-stream"

// harmless are the beginnings of media types that no program runs what it finds in.
var harmless = []string{"image/", "audio/", "video/", "font/", "text/plain", "application/pdf", "application/zip", "application/x-gzip"} //nolint:gochecknoglobals // a constant

// mediaTypeOf is what the first bytes of a file tell. What may carry script (HTML, XML) is told to be unknown: who uploads a
// file is not trusted by whoever opens it.
func mediaTypeOf(head []byte) string {
	found := http.DetectContentType(head)
	mediaType, _, err := mime.ParseMediaType(found)
	if err != nil {
		return unknownType
	}
	for _, begin := range harmless {
		if strings.HasPrefix(mediaType, begin) && mediaType != "image/svg+xml" {
			return found
		}
	}
	return unknownType
}

// store writes the bytes in chunks.
func (r *Received) store(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	if _, err := r.spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	chunk := make([]byte, chunkSize)
	for seq := 0; ; seq++ {
		n, err := io.ReadFull(r.spool, chunk)
		if n > 0 {
			if _, err := tx.Exec(ctx, "insert into attachment_chunks (attachment_id, seq, data) values ($1, $2, $3)", id, seq, chunk[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Write gives a file out, chunk by chunk. Each is read by a transaction of its own: who fetches a file slowly holds nothing
// up. A file that is deleted meanwhile ends in [ErrNotFound].
func (f File) Write(ctx context.Context, db *postgres.DB, who postgres.Principal, w io.Writer) error {
	for seq, left := 0, f.Size; left > 0; seq++ {
		var chunk []byte
		err := db.As(ctx, who, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, "select data from attachment_chunks where attachment_id = $1 and seq = $2", f.ID, seq).Scan(&chunk)
		})
		if errors.Is(err, pgx.ErrNoRows) {
			err = ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("read file %s: %w", f.ID, err)
		}
		if _, err := w.Write(chunk); err != nil {
			return fmt.Errorf("give out file %s: %w", f.ID, err)
		}
		left -= int64(len(chunk))
	}
	return nil
}
