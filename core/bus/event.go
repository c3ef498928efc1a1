package bus

import (
	"encoding/hex"
	"encoding/json"
	"mime"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"

	"crmhub/core/schema"
)

// Event is one change of an entity, as it stands on a topic: CloudEvents 1.0, binary mode.
type Event struct {
	ID           uuid.UUID
	Organization string // its code
	Entity       string
	EntityID     uuid.UUID
	Version      int64  // of the entity: what consumers fence by
	Type         string // created, updated, deleted
	Origin       string // "crm" or the code of the connection the change came from
	Time         time.Time
	TraceParent  string // W3C trace context; "" if there is none
	Data         []byte // JSON, as schemas/<entity>.v1.json says
}

// The headers of an event. What begins with ce_ is a CloudEvents attribute; the second group are extensions of ours.
// Organization and entity can also be read off source and type; they are there for those who only filter.
const (
	headerSpecVersion  = "ce_specversion"
	headerID           = "ce_id"
	headerSource       = "ce_source"
	headerType         = "ce_type"
	headerSubject      = "ce_subject"
	headerTime         = "ce_time"
	headerDataSchema   = "ce_dataschema"
	headerPartitionKey = "ce_partitionkey"
	headerContentType  = "content-type"

	headerOrganization = "ce_organization"
	headerEntity       = "ce_entity"
	headerVersion      = "ce_entityversion"
	headerOrigin       = "ce_origin"
	headerTraceParent  = "traceparent"
)

// ofKind is what events of a kind have in common.
type ofKind struct{ organization, entity, change, origin string }

func (e *Event) kind() ofKind { return ofKind{e.Organization, e.Entity, e.Type, e.Origin} }

// headers are those of every event of the kind.
func (k ofKind) headers() []kafka.Header {
	return []kafka.Header{
		{Key: headerSpecVersion, Value: []byte("1.0")},
		{Key: headerSource, Value: []byte("/crmhub/" + k.organization)},
		{Key: headerType, Value: []byte("crmhub." + k.entity + "." + k.change)},
		{Key: headerDataSchema, Value: []byte("urn:crmhub:schema:" + k.entity + ".v1")},
		{Key: headerContentType, Value: []byte("application/json")},
		{Key: headerOrganization, Value: []byte(k.organization)},
		{Key: headerEntity, Value: []byte(k.entity)},
		{Key: headerOrigin, Value: []byte(k.origin)},
	}
}

const (
	mostHeaders = 14
	mostText    = 36 + 36 + len(time.RFC3339Nano) + 19 + 55 // of one event's own headers
)

// encoder makes headers for many events in few pieces of memory.
type encoder struct {
	kinds map[ofKind][]kafka.Header
	all   []kafka.Header
	text  []byte
}

func newEncoder(events int) *encoder {
	return &encoder{
		kinds: map[ofKind][]kafka.Header{}, all: make([]kafka.Header, 0, events*mostHeaders), text: make([]byte, 0, events*mostText),
	}
}

// encode returns an event's headers and its key, the entity's id.
func (n *encoder) encode(e *Event) (headers []kafka.Header, key []byte) {
	common, ok := n.kinds[e.kind()]
	if !ok {
		common = e.kind().headers()
		n.kinds[e.kind()] = common
	}
	from := len(n.all)
	n.all = append(n.all, common...)
	key = n.add(headerSubject, appendUUID(n.text, e.EntityID))
	n.all = append(n.all, kafka.Header{Key: headerPartitionKey, Value: key})
	n.add(headerID, appendUUID(n.text, e.ID))
	n.add(headerTime, e.Time.UTC().AppendFormat(n.text, time.RFC3339Nano))
	n.add(headerVersion, strconv.AppendInt(n.text, e.Version, 10))
	if e.TraceParent != "" {
		n.add(headerTraceParent, append(n.text, e.TraceParent...))
	}
	return n.all[from:len(n.all):len(n.all)], key
}

// add takes the text with a header's value at its end, and returns the value.
func (n *encoder) add(key string, text []byte) (value []byte) {
	value = text[len(n.text):len(text):len(text)]
	n.text = text
	n.all = append(n.all, kafka.Header{Key: key, Value: value})
	return value
}

func appendUUID(to []byte, id uuid.UUID) []byte {
	for i, end := range []int{4, 6, 8, 10, 16} {
		if i > 0 {
			to = append(to, '-')
		}
		to = hex.AppendEncode(to, id[[]int{0, 4, 6, 8, 10}[i]:end])
	}
	return to
}

// decode reads an event from a message; everything wrong with its headers is reported as [schema.Violations].
func decode(m kafka.Message) (Event, error) {
	values := make(map[string]string, len(m.Headers))
	var vs schema.Violations
	fault := func(header, rule, message string) {
		vs = append(vs, schema.Violation{Pointer: "/headers/" + header, Rule: rule, Message: message})
	}
	for _, h := range m.Headers {
		name := strings.ToLower(h.Key)
		if _, again := values[name]; again && strings.HasPrefix(name, "ce_") {
			fault(name, "unique", "comes more than once")
		}
		values[name] = string(h.Value)
	}
	e := Event{Data: m.Value, Origin: values[headerOrigin], TraceParent: values[headerTraceParent]}
	if values[headerSpecVersion] != "1.0" {
		fault(headerSpecVersion, "const", "must be 1.0")
	}
	var err error
	if e.ID, err = uuid.Parse(values[headerID]); err != nil {
		fault(headerID, "format", "is no UUID")
	}
	if e.EntityID, err = uuid.Parse(values[headerSubject]); err != nil {
		fault(headerSubject, "format", "is no UUID")
	}
	organization, ok := strings.CutPrefix(values[headerSource], "/crmhub/")
	if !ok || organization == "" {
		fault(headerSource, "pattern", "must be /crmhub/<organization>")
	}
	e.Organization = organization
	parts := strings.Split(values[headerType], ".")
	if len(parts) != 3 || parts[0] != "crmhub" || parts[1] == "" || parts[2] == "" {
		fault(headerType, "pattern", "must be crmhub.<entity>.<type>")
	} else {
		e.Entity, e.Type = parts[1], parts[2]
	}
	if e.Time, err = time.Parse(time.RFC3339Nano, values[headerTime]); err != nil {
		fault(headerTime, "format", "is no RFC 3339 time")
	}
	if e.Version, err = strconv.ParseInt(values[headerVersion], 10, 64); err != nil || e.Version < 1 {
		fault(headerVersion, "minimum", "must be a number from 1 on")
	}
	if media, _, err := mime.ParseMediaType(values[headerContentType]); err != nil || media != "application/json" {
		fault(headerContentType, "const", "must be application/json")
	} else if !json.Valid(m.Value) {
		vs = append(vs, schema.Violation{Pointer: "/value", Rule: "format", Message: "is no JSON"})
	}
	return e, vs.Err()
}
