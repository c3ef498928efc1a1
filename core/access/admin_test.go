package access_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"crmhub/core/access"
)

func TestWhoIsLockedOutIsLetInAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 6 {
		h.try(t, "ann", "guess", "")
	}
	until, err := h.LockedUntil(t.Context(), h.who, h.user.ID)
	if err != nil || !until.After(h.now) {
		t.Fatalf("locked until %v, %v", until, err)
	}
	if got := h.try(t, "ann", password, ""); got != "wait 30s" {
		t.Fatalf("before: %s", got)
	}
	if err := h.Unlock(t.Context(), h.who, h.user.ID); err != nil {
		t.Fatal(err)
	}
	if until, err = h.LockedUntil(t.Context(), h.who, h.user.ID); err != nil || !until.IsZero() {
		t.Errorf("locked until %v, %v", until, err)
	}
	if got := h.try(t, "ann", password, ""); got != "in" {
		t.Errorf("after: %s", got)
	}
	if err := h.Unlock(t.Context(), h.who, uuid.New()); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("nobody was unlocked: %v", err)
	}
}
