package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"
)

// Partition is one log of a topic.
type Partition struct {
	Topic  string
	Number int
}

// extent is what a log holds: offsets from first to below end, which the next message will get.
type extent struct{ first, end int64 }

// Ends returns the offset that the next message of each partition will get. Topics that do not exist are left out.
func (c *Client) Ends(ctx context.Context, topics []string) (map[Partition]int64, error) {
	extents, err := c.extents(ctx, topics)
	if err != nil {
		return nil, err
	}
	ends := make(map[Partition]int64, len(extents))
	for p, e := range extents {
		ends[p] = e.end
	}
	return ends, nil
}

// Rewound is a group that had committed more of a partition than there is, and now goes on at the partition's beginning.
type Rewound struct {
	Partition
	Group     string
	Committed int64 // before
	End       int64 // of the partition
}

// RewindGroups looks for groups, of those whose name has the prefix, that have committed more of a partition than there
// is, because its log lost its end. They would skip what is written next. They go on at the beginning, since a log that
// lost its end may be a new one, of which they have read nothing.
//
// A group with living members cannot be helped from outside and is part of the error: its readers do it themselves.
func (c *Client) RewindGroups(ctx context.Context, prefix string) ([]Rewound, error) {
	if err := c.Ping(ctx); err != nil {
		return nil, fmt.Errorf("rewind groups: %w", err)
	}
	listed, err := c.kafka.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err == nil {
		err = listed.Error
	}
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	var (
		all  []Rewound
		errs []error
	)
	for _, g := range listed.Groups {
		if !strings.HasPrefix(g.GroupID, prefix) {
			continue
		}
		ahead, err := c.ahead(ctx, g.GroupID)
		if err == nil && len(ahead) > 0 {
			err = c.rewind(ctx, g.GroupID, ahead)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("rewind group %s: %w", g.GroupID, err))
			continue
		}
		for p, e := range ahead {
			all = append(all, Rewound{Partition: p, Group: g.GroupID, Committed: e.committed, End: e.end})
		}
	}
	return all, errors.Join(errs...)
}

type overtaken struct {
	extent
	committed int64
}

// committed returns a group's places: the offset that it would read next, of each partition that it has committed something of.
func (c *Client) committed(ctx context.Context, group string) (map[Partition]int64, error) {
	fetched, err := c.kafka.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group}) // of all topics
	if err == nil {
		err = fetched.Error
	}
	if err != nil {
		return nil, fmt.Errorf("fetch offsets: %w", err)
	}
	places := map[Partition]int64{}
	for topic, partitions := range fetched.Topics {
		for _, f := range partitions {
			if f.Error != nil {
				return nil, fmt.Errorf("fetch offset in %s, partition %d: %w", topic, f.Partition, f.Error)
			}
			if f.CommittedOffset >= 0 {
				places[Partition{topic, f.Partition}] = f.CommittedOffset
			}
		}
	}
	return places, nil
}

// ahead returns the partitions of which a group has committed more than there is.
func (c *Client) ahead(ctx context.Context, group string) (map[Partition]overtaken, error) {
	places, err := c.committed(ctx, group)
	if err != nil {
		return nil, err
	}
	extents, err := c.extents(ctx, topicsOf(places))
	if err != nil {
		return nil, err
	}
	ahead := map[Partition]overtaken{}
	for p, place := range places {
		if e, ok := extents[p]; ok && place > e.end {
			ahead[p] = overtaken{e, place}
		}
	}
	return ahead, nil
}

func topicsOf(places map[Partition]int64) (topics []string) {
	for p := range places {
		if !slices.Contains(topics, p.Topic) {
			topics = append(topics, p.Topic)
		}
	}
	return topics
}

func (c *Client) rewind(ctx context.Context, group string, ahead map[Partition]overtaken) error {
	commits := map[string][]kafka.OffsetCommit{}
	for p, e := range ahead {
		commits[p.Topic] = append(commits[p.Topic], kafka.OffsetCommit{Partition: p.Number, Offset: e.first})
	}
	const nobody = -1 // no member of the group commits, which brokers allow while it has none
	response, err := c.kafka.OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: group, GenerationID: nobody, Topics: commits})
	if err != nil {
		return err
	}
	for topic, partitions := range response.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return fmt.Errorf("%s, partition %d: %w", topic, p.Partition, p.Error)
			}
		}
	}
	return nil
}

// extents asks again while leaders are yet to take up partitions, as those of new topics.
func (c *Client) extents(ctx context.Context, topics []string) (extents map[Partition]extent, err error) {
	if len(topics) == 0 {
		return nil, nil
	}
	for n, pause := 0, firstBackOff; n < attempts; n, pause = n+1, 2*pause {
		extents, err = c.extentsOnce(ctx, topics)
		var answer kafka.Error
		if !errors.As(err, &answer) || !answer.Temporary() || !sleep(ctx, pause) {
			break
		}
	}
	return extents, err
}

// extentsOnce asks by a transport of its own, which has no memory of topics that are gone or not there yet.
func (c *Client) extentsOnce(ctx context.Context, topics []string) (map[Partition]extent, error) {
	transport := c.newTransport()
	defer transport.CloseIdleConnections()
	fresh := &kafka.Client{Addr: c.kafka.Addr, Transport: transport}
	metadata, err := fresh.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return nil, fmt.Errorf("look up topics: %w", c.explain(ctx, err))
	}
	ask := map[string][]kafka.OffsetRequest{}
	for _, t := range metadata.Topics {
		for _, p := range t.Partitions {
			ask[t.Name] = append(ask[t.Name], kafka.FirstOffsetOf(p.ID), kafka.LastOffsetOf(p.ID))
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	logs, err := fresh.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: ask})
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	extents := map[Partition]extent{}
	for topic, partitions := range logs.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return nil, fmt.Errorf("list offsets of %s, partition %d: %w", topic, p.Partition, p.Error)
			}
			extents[Partition{topic, p.Partition}] = extent{p.FirstOffset, p.LastOffset}
		}
	}
	return extents, nil
}
