// Package kafka is the connector to systems that speak by topics: an ERP or a finance system publishes its records on one
// topic an entity, and reads the hub's from another.
//
// Enters: a connection's settings (brokers, how to sign in, names of topics), pulls and writes of the engine. Leaves:
// records of messages, and messages of records: keyed, acknowledged by all in-sync replicas, CloudEvents.
//
// Promises: offsets are the cursor, which the engine stores with what it read, so each message has one effect; a message
// that cannot be read becomes a dead letter that names topic, partition and offset; a topic that does not go on where the
// cursor ended is a [connector.Doubt]; nothing is sent after a write was answered.
// It leaves to others: what the records mean (mappings/kafka), retries and order across writes (core/push).
package kafka
