package console

import (
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"crmhub/core/flow"
	"crmhub/core/job"
)

// TestFlowsAreDrawnApart draws connections with flows, and looks whether boxes overlap or leave the picture, and whether each
// line leads from the hub to its row or the other way, by the direction of its flow.
func TestFlowsAreDrawnApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, 8), 1, 9).Draw(t, "connections")
		connections := make([]flowConnection, len(sizes))
		for i, n := range sizes {
			for range n {
				direction := rapid.SampledFrom([]job.Kind{job.Push, job.Pull}).Draw(t, "direction")
				connections[i].Rows = append(connections[i].Rows, flowRow{Flow: flow.Flow{Direction: direction, LastHour: rapid.Int64Range(0, 1e7).Draw(t, "rate")}})
			}
		}
		m := drawFlows(connections)
		if m.HubY < 0 || m.HubY+m.HubHeight > m.Height || len(m.Boxes) != len(sizes) {
			t.Fatalf("the hub or a box is missing: %+v", m)
		}
		below := map[float64]float64{}
		for i, b := range m.Boxes {
			if b.X < m.X || b.X+boxWidth > m.X+m.Width || b.Y < below[b.X] || b.Y+b.Height > m.Height+0.01 || len(b.Arrows) != sizes[i] {
				t.Fatalf("box %d is out of place: %+v in %+v", i, b, m)
			}
			below[b.X] = b.Y + b.Height
			for _, a := range b.Arrows {
				from := strings.Fields(strings.TrimPrefix(a.Path, "M"))
				tip := strings.FieldsFunc(a.Head, func(r rune) bool { return r == ',' || r == ' ' })
				row, hub := tip[1], from[1]
				if !a.Push() {
					row, hub = hub, row
				}
				if row != coordinate(tenth(a.Y+boxRow/2)) {
					t.Fatalf("%s ends at %s, its row is at %v", a.Path, row, a.Y)
				}
				if y, err := strconv.ParseFloat(hub, 64); err != nil || y < m.HubY || y > m.HubY+m.HubHeight {
					t.Fatalf("%s does not reach the hub from %v on", a.Path, m.HubY)
				}
			}
		}
	})
	if drawFlows(nil) != nil {
		t.Error("nothing is drawn")
	}
}
