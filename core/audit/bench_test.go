package audit

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/outbox"
)

// BenchmarkTrail measures changes of about 1 KB on their way into the trail, and the trail's verification; beside them
// how fast the same changes get into the outbox, which is the floor.
func BenchmarkTrail(b *testing.B) {
	const n = 20_000
	o := newOffice(b)
	data := json.RawMessage(`{"remark":"` + strings.Repeat("x", 1000) + `"}`)
	var appending, sealing, verifying time.Duration
	for b.Loop() {
		for range n / 1000 {
			changes := make([]outbox.Change, 1000)
			for i := range changes {
				changes[i] = outbox.Change{Entity: "order", EntityID: uuid.Must(uuid.NewV7()), Version: 1, Type: "created", Origin: "crm", Data: data}
			}
			began := time.Now()
			o.append(changes...)
			appending += time.Since(began)
		}
		began := time.Now()
		o.seal(n)
		sealing += time.Since(began)
		began = time.Now()
		o.as(func(tx pgx.Tx) error {
			r, err := Verify(b.Context(), tx, o.key, o.who.Organization, Range{})
			if err == nil && !r.Intact {
				b.Fatalf("%+v", r.Fault)
			}
			verifying += time.Since(began) * n / time.Duration(r.Entries)
			return err
		})
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(n*float64(b.N)/appending.Seconds(), "appended/s")
	b.ReportMetric(n*float64(b.N)/sealing.Seconds(), "sealed/s")
	b.ReportMetric(n*float64(b.N)/verifying.Seconds(), "verified/s")
}
