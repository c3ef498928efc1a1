package kafka

import (
	"encoding/json"
	"time"

	"crmhub/core/connector"
)

// settleTime is how long a broker may still write what a call has given up: it has read the request, and waits for replicas.
const settleTime = produceTimeout

// Connector returns the connector.
func Connector() connector.Connector {
	both := connector.Capabilities{
		Pull: true, Incremental: true, Push: true, Get: true, Delete: true,
		Idempotent:  true, // what is written again has the same key and the same ce_id
		Batch:       500,
		Concurrency: 4,
		Settle:      settleTime,
	}
	in := connector.Capabilities{Pull: true, Incremental: true}
	c := connector.Connector{
		Name: "kafka", Title: "Kafka topics", Secrets: []string{"password", "key"}, Open: open,
		Streams: []connector.Stream{
			{Entity: "customer", Record: "customer", Capabilities: both},
			{Entity: "product", Record: "product", Capabilities: both},
			{Entity: "order", Record: "order", Capabilities: both},
			{Entity: "invoice", Record: "invoice", Capabilities: in},
			{Entity: "payment", Record: "payment", Capabilities: in},
		},
	}
	c.Config = configSchema(c.Streams)
	return c
}

// configSchema describes a connection's settings. All are texts or switches, so that a form and a command line can give them.
func configSchema(streams []connector.Stream) json.RawMessage {
	type property struct {
		Type        string   `json:"type"`
		Title       string   `json:"title"`
		Description string   `json:"description"`
		Pattern     string   `json:"pattern,omitempty"`
		Enum        []string `json:"enum,omitempty"`
		MaxLength   int      `json:"maxLength,omitempty"`
	}
	text := func(title, description string) property {
		return property{Type: "string", Title: title, Description: description, MaxLength: 1000}
	}
	pem := func(title, description string) property {
		return property{Type: "string", Title: title, Description: description, MaxLength: 200_000}
	}
	topic := func(title, description string) property {
		return property{Type: "string", Title: title, Description: description, Pattern: topicPattern}
	}
	properties := map[string]property{
		"brokers": {
			Type: "string", Title: "Brokers", Pattern: brokersPattern, MaxLength: 1000,
			Description: "Addresses as host:port, separated by commas; one that answers is enough to find the others.",
		},
		"tls":         {Type: "boolean", Title: "TLS", Description: "Encrypt, and verify the brokers' certificates."},
		"ca":          pem("Certificate authority", "PEM of who signs the brokers' certificates; the machine's own authorities if empty."),
		"server_name": text("Server name", "The name in the brokers' certificates, if it is not their address."),
		"certificate": pem("Client certificate", "PEM, for brokers that want one."),
		"key":         pem("Client key", "PEM of the client certificate's private key."),
		"sasl": {
			Type: "string", Title: "Sign-in", Enum: []string{"plain", "scram-sha-256", "scram-sha-512"},
			Description: "How user and password are given; nobody signs in if empty.",
		},
		"user":     text("User", "Who signs in."),
		"password": text("Password", "The user's password."),
		"id":       {Type: "string", Title: "Record id", Pattern: `^(/[^/]*)+$`, Description: "JSON pointer to a record's id in what is read; the message's key if empty."},
	}
	for _, s := range streams {
		properties[s.Record+"_in"] = topic(s.Entity+" in", "Topic that is read; <connection>."+s.Record+".v1 if empty.")
		if s.Push {
			properties[s.Record+"_out"] = topic(s.Entity+" out", "Topic that is written; <connection>."+s.Record+".out.v1 if empty.")
		}
	}
	schema, err := json.Marshal(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,
		"required": []string{"brokers"}, "properties": properties,
	})
	if err != nil {
		panic(err) // texts and lists of texts
	}
	return schema
}

const (
	topicPattern   = `^[A-Za-z0-9._-]{1,249}$`
	brokersPattern = `^[^\s,:/]+:[0-9]{1,5}(\s*,\s*[^\s,:/]+:[0-9]{1,5})*$`

	produceTimeout = 10 * time.Second
)
