package postgres

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func TestPlaceIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := Place{
			At:   time.UnixMicro(rapid.Int64Range(-62e15, 253e15).Draw(t, "at")).UTC(),
			Word: rapid.StringMatching(`[a-z ]{0,20}`).Draw(t, "word"), ID: uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
		}
		got, err := ParsePlace(p.String())
		if err != nil || *got != p {
			t.Fatalf("%+v became %+v, %v", p, got, err)
		}
	})
}

func TestWhatNoListGaveIsNoPlace(t *testing.T) {
	t.Parallel()
	const id = "0199a1b2-0000-7000-8000-000000000001"
	for _, text := range []string{"x", "2026-09-01T08:00:00Z " + id, "0000-01-01T00:00:00Z " + id + " ", "2026-09-01 " + id + " ", "2026-09-01T08:00:00Z 7 ", "2026-09-01T08:00:00Z " + id + " \x00"} {
		if _, err := ParsePlace(base64.RawURLEncoding.EncodeToString([]byte(text))); !errors.Is(err, ErrPlace) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ParsePlace("!"); !errors.Is(err, ErrPlace) {
		t.Errorf("no base64: %v", err)
	}
	p, err := ParsePlace("")
	if at, word, id := p.Args(); err != nil || at != nil || word != nil || id != nil {
		t.Errorf("the beginning: %v, %v %v %v", err, at, word, id)
	}
}
