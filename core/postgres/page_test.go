package postgres

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// Whoever follows Next comes by every item once, whatever the size of the pages.
func TestPagesAreTheList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := make([]uuid.UUID, rapid.IntRange(0, 30).Draw(t, "items"))
		for i := range all {
			all[i] = uuid.Must(uuid.NewV7())
		}
		size := rapid.IntRange(1, 10).Draw(t, "size")
		var got []uuid.UUID
		for next, pages := "", 0; ; pages++ {
			after, err := PlaceID(next)
			if err != nil {
				t.Fatal(err)
			}
			rest := all
			if after != nil {
				rest = all[slices.Index(all, *after)+1:]
			}
			p := Cut(rest[:min(size+1, len(rest))], size, uuid.UUID.String)
			got = append(got, p.Items...)
			if next = p.Next; next != "" {
				continue
			}
			if want := max(0, (len(all)-1)/size); pages != want || !slices.Equal(got, all) {
				t.Fatalf("%d items on %d pages of %d: %v", len(got), pages+1, size, got)
			}
			return
		}
	})
}

func TestPageSizeAndPlaceOfAnID(t *testing.T) {
	t.Parallel()
	for asked, want := range map[int]int{-1: 50, 0: 50, 1: 1, 500: 500, 501: 500} {
		if got := PageSize(asked); got != want {
			t.Errorf("asked for %d: %d", asked, got)
		}
	}
	if _, err := PlaceID("x"); !errors.Is(err, ErrPlace) {
		t.Error(err)
	}
	if id := uuid.New(); OrNull(uuid.Nil) != nil || *OrNull(id) != id {
		t.Error("the nil UUID is null, and no other")
	}
}
