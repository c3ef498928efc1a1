package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/bus"
)

// ends are offsets that the next message of each partition gets. They only grow, unless the partition lost messages or
// is another one of the same name.
type ends map[bus.Partition]int64

// ahead returns the partitions where messages went to offsets that had been taken before.
func (e ends) ahead(written []bus.Written) (lost []bus.Partition) {
	for _, w := range written {
		if w.First < e[w.Partition] {
			lost = append(lost, w.Partition)
		}
	}
	return lost
}

func (e ends) note(written []bus.Written) {
	for _, w := range written {
		e[w.Partition] = w.End
	}
}

// checkTopics compares where the topics end with where they ended when the position last moved: a broker may lose the
// end of its log in a power cut, a topic may have been deleted, or the brokers be others than before. If any message is
// missing, the position moves back to the beginning of the outbox.
func (r *Relay) checkTopics(ctx context.Context) error {
	if err := r.readEnds(ctx); err != nil {
		return err
	}
	var topics []string
	seen := map[string]bool{}
	for p := range r.ends {
		if !seen[p.Topic] {
			seen[p.Topic] = true
			topics = append(topics, p.Topic)
		}
	}
	found, err := r.Bus.Ends(ctx, topics)
	if err != nil {
		return fmt.Errorf("check the topics: %w", err)
	}
	var lost []bus.Partition
	for p, end := range r.ends {
		if found[p] < end {
			lost = append(lost, p)
		}
	}
	if len(lost) > 0 {
		return r.startOver(ctx, lost)
	}
	return nil
}

func (r *Relay) readEnds(ctx context.Context) error {
	clear(r.ends)
	err := r.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select topic, partition, next_offset from outbox_ends")
		if err != nil {
			return err
		}
		var (
			p   bus.Partition
			end int64
		)
		_, err = pgx.ForEachRow(rows, []any{&p.Topic, &p.Number, &end}, func() error {
			r.ends[p] = end
			return nil
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("read where the topics ended: %w", err)
	}
	return nil
}

const (
	moveToBeginning = "update outbox_position set xid = '0', until = '0', seq = 0, term = term + 1, updated_at = now()"
	forgetEnds      = "delete from outbox_ends where (topic, partition) in (select * from unnest($1::text[], $2::integer[]))"
)

// startOver moves the position back to the beginning of the outbox, since partitions lost messages. Which of its changes
// they were nobody knows, so all that are kept are published again, with their old ids. It returns errOldTerm: whoever
// publishes must take the position anew.
func (r *Relay) startOver(ctx context.Context, lost []bus.Partition) error {
	topics, numbers := make([]string, len(lost)), make([]int32, len(lost))
	for i, p := range lost {
		topics[i], numbers[i] = p.Topic, int32(p.Number) //nolint:gosec // Kafka's partitions are numbered by 32 bits
	}
	var oldest *time.Time
	err := r.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, moveToBeginning); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, forgetEnds, topics, numbers); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "select (select created_at from outbox order by seq limit 1)").Scan(&oldest)
	})
	if err != nil {
		return fmt.Errorf("publish again what partitions lost: %w", err)
	}
	r.Logger.WarnContext(ctx, "topics lost messages; all changes that the outbox keeps are published again",
		"partitions", len(lost), "topic", lost[0].Topic, "oldest", oldest)
	return errOldTerm
}
