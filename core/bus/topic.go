package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// How topics are made.
const (
	Partitions = 6
	Retention  = 7 * 24 * time.Hour // the outbox keeps what is not delivered; a topic need not keep it for ever
	// maxMessage is the size of a batch that topics made here accept: a document with thousands of lines fits.
	maxMessage = 8 << 20
)

// Topic is where the changes of an entity of an organization are published.
func Topic(organizationCode, entity string) string {
	if organizationCode == "main" {
		return "crmhub." + entity + ".v1"
	}
	return "crmhub." + organizationCode + "." + entity + ".v1"
}

// EnsureTopics makes the topics that do not exist: 6 partitions, on 3 brokers or as many as there are, of which all but
// one must have a message before it is acknowledged. Topics that exist stay as they are.
func (c *Client) EnsureTopics(ctx context.Context, topics []string) error {
	metadata, err := c.kafka.Metadata(ctx, &kafka.MetadataRequest{Topics: topics})
	if err != nil {
		return fmt.Errorf("ensure topics: %w", c.explain(ctx, err))
	}
	request := &kafka.CreateTopicsRequest{}
	replicas := max(1, min(3, len(metadata.Brokers)))
	for _, topic := range topics {
		request.Topics = append(request.Topics, kafka.TopicConfig{
			Topic: topic, NumPartitions: Partitions, ReplicationFactor: replicas,
			ConfigEntries: []kafka.ConfigEntry{
				{ConfigName: "cleanup.policy", ConfigValue: "delete"}, // a cluster may have another default
				{ConfigName: "min.insync.replicas", ConfigValue: strconv.Itoa(max(1, replicas-1))},
				{ConfigName: "retention.ms", ConfigValue: strconv.FormatInt(Retention.Milliseconds(), 10)},
				{ConfigName: "max.message.bytes", ConfigValue: strconv.Itoa(maxMessage)},
			},
		})
	}
	response, err := c.kafka.CreateTopics(ctx, request)
	if err != nil {
		return fmt.Errorf("ensure topics: %w", c.explain(ctx, err))
	}
	for topic, err := range response.Errors {
		exists := slices.ContainsFunc(metadata.Topics, func(t kafka.Topic) bool { return t.Name == topic && t.Error == nil })
		if err == nil || errors.Is(err, kafka.TopicAlreadyExists) || exists && errors.Is(err, kafka.TopicAuthorizationFailed) {
			continue
		}
		return fmt.Errorf("ensure topic %s: %w", topic, err)
	}
	return c.awaitTopics(ctx, topics)
}

// awaitTopics returns when the transport knows the topics. Of those that somebody else has just made it hears with its
// next look at the cluster.
func (c *Client) awaitTopics(ctx context.Context, topics []string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		unknown := ""
		for _, topic := range topics {
			if _, err := c.partitionsOf(ctx, topic); err != nil {
				unknown = topic
			}
		}
		if unknown == "" {
			return nil
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return fmt.Errorf("ensure topic %s: the cluster does not show it: %w", unknown, ctx.Err())
		}
	}
}

// explain replaces an error of the transport, which says little, by what a probe says, if that fails too.
func (c *Client) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if cause := c.Ping(ctx); cause != nil {
		return cause
	}
	return err
}
