package attachment_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"crmhub/core/attachment"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// cabinet is an organization with a customer that has files.
type cabinet struct {
	db  *postgres.DB
	who postgres.Principal
	to  attachment.Owner
}

func newCabinet(t *testing.T) cabinet {
	t.Helper()
	db := postgrestest.New(t)
	c := cabinet{db: db, who: postgrestest.Organization(t, db)}
	c.to = c.customer(t)
	return c
}

func (c cabinet) customer(t *testing.T) attachment.Owner {
	t.Helper()
	customer := &crm.Customer{Name: "Anton"}
	c.as(t, func(tx pgx.Tx) error {
		return (&crm.Store{}).Save(t.Context(), tx, crm.By{Actor: c.who.Actor, Origin: "crm"}, []crm.Entity{customer})
	})
	return attachment.Owner{Entity: "customer", ID: customer.ID}
}

func (c cabinet) as(t *testing.T, fn func(tx pgx.Tx) error) {
	t.Helper()
	if err := c.db.As(t.Context(), c.who, fn); err != nil {
		t.Fatal(err)
	}
}

func (c cabinet) add(t *testing.T, name string, data []byte) (f attachment.File) {
	t.Helper()
	r, err := attachment.Receive(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c.as(t, func(tx pgx.Tx) (err error) {
		f, err = attachment.Add(t.Context(), tx, c.to, name, r)
		return err
	})
	return f
}

func TestAFileComesOutAsItWentIn(t *testing.T) {
	t.Parallel()
	c := newCabinet(t)
	const chunk = 1 << 20
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.SampledFrom([]int{0, 1, 511, 512, chunk - 1, chunk, chunk + 1, 2 * chunk, 2*chunk + 7}).Draw(rt, "size")
		data := bytes.Repeat([]byte(rapid.StringN(1, 40, -1).Draw(rt, "data")), size+1)[:size]
		f := c.add(t, "a file", data)
		var out bytes.Buffer
		if err := f.Write(t.Context(), c.db, c.who, &out); err != nil {
			rt.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if !bytes.Equal(out.Bytes(), data) || f.Size != int64(size) || f.SHA256 != hex.EncodeToString(sum[:]) {
			rt.Fatalf("%d bytes came out as %d: %+v", size, out.Len(), f)
		}
	})
}

func TestWhatAFileIsItsBytesTell(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		"":                               "text/plain; charset=utf-8",
		"%PDF-1.7":                       "application/pdf",
		"\x89PNG\r\n\x1a\n":              "image/png",
		"PK\x03\x04":                     "application/zip",
		"plain words":                    "text/plain; charset=utf-8",
		"\x00\x01\x02":                   "application/octet-stream",
		"<html><script>":                 "application/octet-stream",
		"<?xml version=\"1.0\"?><svg/>":  "application/octet-stream",
		"  <!DOCTYPE HTML><body onload>": "application/octet-stream",
	} {
		r, err := attachment.Receive(strings.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if r.MediaType != want {
			t.Errorf("%q is %s, want %s", data, r.MediaType, want)
		}
		r.Close()
	}
}

func TestAFileThatEndsEarlyIsNone(t *testing.T) {
	t.Parallel()
	lost := errors.New("the client went away")
	if _, err := attachment.Receive(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(lost))); !errors.Is(err, lost) {
		t.Error(err)
	}
}

func TestFilesAreListedMovedAndDeleted(t *testing.T) {
	t.Parallel()
	c := newCabinet(t)
	other := c.customer(t)
	a, b, d := c.add(t, "a", []byte("a")), c.add(t, "b", []byte("b")), c.add(t, "d", []byte("d"))
	list := func(of attachment.Owner, before uuid.UUID, limit int) (names []string) {
		c.as(t, func(tx pgx.Tx) error {
			files, err := attachment.List(t.Context(), tx, of, before, limit)
			for _, f := range files {
				names = append(names, f.Name)
			}
			return err
		})
		return names
	}
	want := func(what string, want, got []string) {
		t.Helper()
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: %s", what, d)
		}
	}
	want("all", []string{"d", "b", "a"}, list(c.to, uuid.Nil, 10))
	want("a page", []string{"d", "b"}, list(c.to, uuid.Nil, 2))
	want("the next", []string{"a"}, list(c.to, b.ID, 2))
	c.as(t, func(tx pgx.Tx) error {
		moved, err := attachment.Move(t.Context(), tx, c.to, other.ID, []uuid.UUID{a.ID})
		if d := cmp.Diff([]uuid.UUID{a.ID}, moved); d != "" {
			t.Error(d)
		}
		return err
	})
	want("what stayed", []string{"d", "b"}, list(c.to, uuid.Nil, 10))
	want("what moved", []string{"a"}, list(other, uuid.Nil, 10))
	c.as(t, func(tx pgx.Tx) error { return attachment.Delete(t.Context(), tx, d) })
	want("what is left", []string{"b"}, list(c.to, uuid.Nil, 10))
	err := c.db.As(t.Context(), c.who, func(tx pgx.Tx) error { return attachment.Delete(t.Context(), tx, d) })
	if !errors.Is(err, attachment.ErrNotFound) {
		t.Error(err)
	}
	if err := d.Write(t.Context(), c.db, c.who, io.Discard); !errors.Is(err, attachment.ErrNotFound) {
		t.Error(err)
	}
	var chunks int
	c.as(t, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "select count(*) from attachment_chunks").Scan(&chunks)
	})
	if chunks != 2 {
		t.Errorf("%d chunks are left", chunks)
	}
}

// TestTheDatabaseKeepsFilesFromWhoDoesNotReachTheirEntity asks with statements alone, as if every other check had failed.
func TestTheDatabaseKeepsFilesFromWhoDoesNotReachTheirEntity(t *testing.T) {
	t.Parallel()
	c := newCabinet(t)
	f := c.add(t, "secret", []byte("secret"))
	elsewhere := postgrestest.Organization(t, c.db)
	person := func(wants map[string]postgres.Scope) postgres.Principal {
		return postgres.Principal{Organization: c.who.Organization, Actor: postgres.User(uuid.New()), Reach: postgres.NewReach(postgres.Owners{Own: uuid.New()}, wants)}
	}
	whole := postgres.ScopeOrganization
	for name, tc := range map[string]struct {
		who                   postgres.Principal
		sees, adds, takesAway bool
	}{
		"the hub":                   {c.who, true, true, true},
		"another organization":      {elsewhere, false, false, false},
		"who reads":                 {person(map[string]postgres.Scope{"customer.read": whole}), true, false, false},
		"who changes":               {person(map[string]postgres.Scope{"customer.read": whole, "customer.change": whole}), true, true, true},
		"who reads his own":         {person(map[string]postgres.Scope{"customer.read": postgres.ScopeOwn, "customer.change": postgres.ScopeOwn}), false, false, false},
		"who reads of another kind": {person(map[string]postgres.Scope{"contact.read": whole, "contact.change": whole}), false, false, false},
		"nobody":                    {person(nil), false, false, false},
	} {
		r, err := attachment.Receive(strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		var files, chunks int
		var gone int64
		done := errors.New("undo it")
		ctx := t.Context()
		err = c.db.As(ctx, tc.who, func(tx pgx.Tx) error {
			if err := tx.QueryRow(ctx, "select (select count(*) from attachments), (select count(*) from attachment_chunks)").Scan(&files, &chunks); err != nil {
				return err
			}
			tag, err := tx.Exec(ctx, "delete from attachments where id = $1", f.ID)
			gone = tag.RowsAffected()
			return errors.Join(err, done)
		})
		if !errors.Is(err, done) || (files == 1) != tc.sees || (chunks == 1) != tc.sees || (gone == 1) != tc.takesAway {
			t.Errorf("%s: sees %d files and %d chunks, deletes %d: %v", name, files, chunks, gone, err)
		}
		err = c.db.As(ctx, tc.who, func(tx pgx.Tx) error { return addAndUndo(ctx, tx, c.to, r, done) })
		if errors.Is(err, done) != tc.adds {
			t.Errorf("%s: adds: %v", name, err)
		}
		r.Close()
	}
}

func addAndUndo(ctx context.Context, tx pgx.Tx, to attachment.Owner, r *attachment.Received, done error) error {
	if _, err := attachment.Add(ctx, tx, to, "x", r); err != nil {
		return err
	}
	return done
}
