// Package asyncapi describes the hub's topics to programs: an AsyncAPI 3.0 document, made from the schemas, the kinds of
// entities and the streams of the kafka connector, so that it says what is.
//
// Enters: what there is. Leaves: JSON that needs no other file. It leaves to others: to serve and to print it.
package asyncapi

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"

	"crmhub/core/bus"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
)

// Config is what a document is made from.
type Config struct {
	Version string
	Schemas fs.FS              // as in schemas/
	Streams []connector.Stream // of the kafka connector
}

const bindingVersion = "0.5.0" // of AsyncAPI's Kafka bindings

type object = map[string]any

// document is one on its way.
type document struct {
	Config
	channels, operations, messages, schemas object
}

// Document returns the document as indented JSON.
func Document(c Config) ([]byte, error) {
	d := &document{Config: c, channels: object{}, operations: object{}, messages: object{}, schemas: object{}}
	d.schemas["changeHeaders"], d.schemas["recordHeaders"], d.schemas["foreignHeaders"] = changeHeaders(), recordHeaders(), foreignHeaders()
	for _, kind := range crm.Kinds() {
		if err := d.change(string(kind), "The whole "+string(kind)+" after each change, after a deletion too (deleted_at)."); err != nil {
			return nil, err
		}
	}
	if err := d.change(job.LetterEntity, "What could not be pushed or pulled, when it fails and when it is settled."); err != nil {
		return nil, err
	}
	for _, s := range c.Streams {
		if err := d.stream(s); err != nil {
			return nil, err
		}
	}
	return json.MarshalIndent(object{
		"asyncapi": "3.0.0",
		"info": object{
			"title": "crmhub's topics", "version": c.Version,
			"description": "What the hub publishes, and what systems connected by topics (connector kafka) read and publish. " +
				"Messages are CloudEvents 1.0, Kafka protocol binding. Amounts are texts, never floats. " +
				"Everything may come more than once: drop a change whose ce_entityversion is not above the one you have, or whose ce_id you know.",
		},
		"defaultContentType": "application/json",
		"servers": object{"kafka": object{
			"host": "{brokers}", "protocol": "kafka", "description": "The Kafka of CRMHUB_KAFKA_BROKERS, or a connection's own.",
			"variables": object{"brokers": object{"default": "localhost:9092"}},
		}},
		"channels": d.channels, "operations": d.operations,
		"components": object{"messages": d.messages, "schemas": d.schemas},
	}, "", "  ")
}

// change describes the topic of an entity's changes.
func (d *document) change(entity, description string) error {
	schema, err := d.schema(entity+".v1.json", entity+".v1")
	if err != nil {
		return err
	}
	d.messages[entity] = message("A change of a "+entity, "changeHeaders", schema, object{"type": "string", "format": "uuid", "description": "The entity's id."})
	d.channel(entity, "send", object{
		"address":     bus.Topic("main", entity),
		"description": description + " Organizations other than main: " + bus.Topic("<organization>", entity) + ".",
		"bindings": object{"kafka": object{
			"partitions": bus.Partitions, "bindingVersion": bindingVersion,
			"topicConfiguration": object{"cleanup.policy": []string{"delete"}, "retention.ms": bus.Retention.Milliseconds()},
		}},
	})
	return nil
}

// stream describes what a connection by topics reads and writes of one record.
func (d *document) stream(s connector.Stream) error {
	schema, err := d.schema("kafka/"+s.Record+".json", "kafka."+s.Record)
	if err != nil {
		return err
	}
	key := object{"type": "string", "minLength": 1, "maxLength": 512, "description": "The record's id."}
	where := object{"connection": object{"description": "The connection's code; <organization>.<code> for organizations other than main. Its settings may name other topics."}}
	if s.Pull {
		name := s.Record + "In"
		d.messages[name] = message("A "+s.Record+" as the connected system has it; a message without a value says that it is gone", "foreignHeaders", schema, key)
		d.channel(name, "receive", object{
			"address": "{connection}." + s.Record + ".v1", "parameters": where,
			"description": "What the connected system publishes. CloudEvents in binary or structured mode, or plain JSON. One key, one partition: put it where Java clients do (murmur2).",
		})
	}
	if s.Push {
		name := s.Record + "Out"
		d.messages[name] = message("A "+s.Record+" as the hub wants it to be there; a message without a value says that it is gone", "recordHeaders", schema, key)
		d.channel(name, "send", object{
			"address": "{connection}." + s.Record + ".out.v1", "parameters": where,
			"description": "What the connected system is to take over. The newest message of a key is kept.",
			"bindings": object{"kafka": object{
				"partitions": bus.Partitions, "bindingVersion": bindingVersion, "topicConfiguration": object{"cleanup.policy": []string{"compact"}},
			}},
		})
	}
	return nil
}

// channel adds a channel with the message of its name, and the operation on it.
func (d *document) channel(name, action string, channel object) {
	channel["messages"] = object{name: ref("components", "messages", name)}
	d.channels[name] = channel
	d.operations[action+strings.ToUpper(name[:1])+name[1:]] = object{
		"action": action, "channel": ref("channels", name), "messages": []any{ref("channels", name, "messages", name)},
	}
}

func message(title, headers string, payload, key object) object {
	return object{
		"title": title, "contentType": "application/json", "headers": ref("components", "schemas", headers), "payload": payload,
		"bindings": object{"kafka": object{"key": key, "bindingVersion": bindingVersion}},
	}
}

// schema takes a file in, under a name, and returns a reference to it. References within the file are moved along.
func (d *document) schema(file, name string) (object, error) {
	b, err := fs.ReadFile(d.Schemas, file)
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", err)
	}
	var s object
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("describe topics: %s: %w", file, err)
	}
	delete(s, "$schema") // AsyncAPI's own dialect, which reads these files alike
	move(s, "#/components/schemas/"+name)
	d.schemas[name] = s
	return ref("components", "schemas", name), nil
}

func move(v any, to string) {
	switch v := v.(type) {
	case object:
		if target, ok := v["$ref"].(string); ok {
			v["$ref"] = to + strings.TrimPrefix(target, "#")
		}
		for _, part := range v {
			move(part, to)
		}
	case []any:
		for _, part := range v {
			move(part, to)
		}
	}
}

func ref(path ...string) object { return object{"$ref": "#/" + strings.Join(path, "/")} }

func text(description string) object { return object{"type": "string", "description": description} }

// headers is a schema of headers, of which some must be there.
func headers(properties object, required ...string) object {
	return object{"type": "object", "required": append([]string{}, required...), "properties": properties}
}

// common are the headers of everything that the hub writes.
func common() object {
	return object{
		"ce_specversion":   object{"type": "string", "const": "1.0"},
		"ce_id":            text("The same when the same is published again."),
		"ce_type":          text("crmhub.<entity>.created, .updated or .deleted."),
		"ce_time":          object{"type": "string", "format": "date-time"},
		"ce_subject":       text("As the key."),
		"ce_partitionkey":  text("As the key."),
		"ce_entityversion": text("Of the entity: a number that grows with each change."),
		"ce_dataschema":    text("Which schema the value fits, as a URN."),
		"content-type":     object{"type": "string", "const": "application/json"},
	}
}

var always = []string{ //nolint:gochecknoglobals // a constant list
	"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "ce_partitionkey", "ce_entityversion", "ce_dataschema", "content-type",
}

func changeHeaders() object {
	p := common()
	p["ce_source"] = text("/crmhub/<organization>.")
	p["ce_organization"] = text("The organization's code.")
	p["ce_entity"] = text("The kind of entity.")
	p["ce_origin"] = text("crm, or the code of the connection that the change came from.")
	p["traceparent"] = text("W3C trace context.")
	return headers(p, append([]string{"ce_organization", "ce_entity", "ce_origin"}, always...)...)
}

func recordHeaders() object {
	p := common()
	p["ce_source"] = text("/crmhub/<organization>/<connection>.")
	return headers(p, always...)
}

func foreignHeaders() object {
	return headers(object{
		"content-type": text("application/json if not said; application/cloudevents+json for an event that is the value as a whole."),
		"ce_type":      text("One that ends with .deleted says that the record is gone."),
		"ce_time":      object{"type": "string", "format": "date-time", "description": "When the record changed; the message's time if not said."},
	})
}
