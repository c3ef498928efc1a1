package connectortest

import (
	"context"
	"testing"
	"time"

	"crmhub/core/connector"
)

// faults checks that a misbehaving remote never makes a connector claim what it does not know.
func (k kit) faults(t *testing.T) {
	if k.Faults == nil {
		return
	}
	for _, c := range []struct {
		fault   Fault
		outcome connector.Outcome
		class   connector.Class
	}{
		{RateLimit, connector.Refused, connector.ClassQuota},
		{ServerError, connector.Unknown, connector.ClassTransient},
		{HangAfterCommit, connector.Unknown, connector.ClassTransient},
	} {
		t.Run(string(c.fault), func(t *testing.T) {
			s := k.open(t)
			w := k.creation()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			stop := k.Faults.Inject(c.fault)
			results, err := s.(connector.Pusher).Push(ctx, k.stream.Record, []connector.Write{w})
			stop()
			cancel()
			if err != nil {
				t.Fatalf("an error instead of results says that nothing was sent: %v", err)
			}
			if r := results[0]; r.Outcome != c.outcome || r.Err == nil || r.Err.Class != c.class {
				t.Errorf("outcome %d, %v; wanted outcome %d, class %s", r.Outcome, r.Err, c.outcome, c.class)
			}
			if !k.declared.Find {
				return
			}
			there := k.find(t, s, w.Reference)
			if (there != nil) != (c.fault == HangAfterCommit) {
				t.Errorf("afterwards the record is there: %v", there != nil)
			}
		})
	}
}
