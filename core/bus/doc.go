// Package bus is the hub's way to Kafka: topics, the envelope of an event, a writer and a reader.
//
// Promises: an event whose [Writing.Wait] returned no error is acknowledged by all in-sync replicas; events of one entity
// are on one partition, chosen as Java clients choose it; a reader hands out every event at least once, and may do so
// again; a log that lost its end is noticed, and its readers begin it anew.
// The envelope is CloudEvents 1.0, Kafka protocol binding, binary mode, so any consumer can read it.
//
// What it does not promise: exactly-once. kafka-go's writer is not idempotent and its reader may hand out stale events
// after a rebalance. Consumers fence by the entity's version, which every event carries.
package bus
