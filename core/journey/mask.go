package journey

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Mappings gives the mapping that was used over a connection: that of a version, or the live one for "". It is nil if there is none
// any more.
type Mappings func(connection uuid.UUID, version string) (*mapping.Mapping, error)

// Sight is how somebody sees the values of entities of a kind in the shape that other systems give them.
type Sight struct {
	who      *access.Permissions
	resource access.Resource
	whole    bool     // he sees all fields plainly, and so everything
	blind    bool     // he sees no value
	hidden   []string // else, the properties whose values he does not see
	mappings Mappings
}

// Versions know the mappings of a kind of entities that were used.
type Versions interface {
	UsedBy(ctx context.Context, tx pgx.Tx, entity string) func(connection uuid.UUID, version string) (*mapping.Mapping, error)
}

// SightIn is [SightOf] with the mappings that a store knows, which are read in the transaction.
func SightIn(ctx context.Context, tx pgx.Tx, who *access.Permissions, entity string, versions Versions) Sight {
	return SightOf(who, entity, versions.UsedBy(ctx, tx, entity))
}

// SightOf is that of somebody on a kind of entities. Who does not see all fields plainly sees neither those nor what is personal, nor
// values of which no mapping says what they are.
func SightOf(who *access.Permissions, entity string, mappings Mappings) Sight {
	r := access.Resource(entity)
	s := Sight{who: who, resource: r, mappings: mappings, whole: who.Whole(r)}
	kind, err := crm.ParseKind(entity)
	if s.blind = who.May(r, access.Read) == postgres.ScopeNone || err != nil; s.blind || s.whole {
		return s
	}
	s.hidden = hidden(kind, who.Blind(r))
	return s
}

// hidden are the properties whose values somebody does not see who is blind to some. Of custom fields only the store knows which are
// personal.
func hidden(k crm.Kind, blind []string) []string {
	return slices.Concat(blind, crm.Personal(k), []string{"ext"})
}

// Mask takes out of steps what somebody may not see of the entity.
func (s Sight) Mask(steps []Step) error {
	if s.whole {
		return nil
	}
	for i := range steps {
		step := &steps[i]
		switch step.Kind {
		case Change:
			if s.who == nil {
				step.Detail = nil
				continue
			}
			plain, err := s.who.Plainly(s.resource, step.Detail)
			if err != nil {
				return err
			}
			step.Detail = plain
		case Conflict:
			if s.who.Hides(s.resource, step.Message) {
				step.Detail = nil
			}
		case Pushed, Pulled:
			if err := s.exchanges(step); err != nil {
				return err
			}
		case Act, Difference:
			step.Detail = nil // it has values, or may say how a conflict was settled
		case Published, Linked, DeadLetter:
		}
	}
	return nil
}

func (s Sight) exchanges(step *Step) error {
	m, err := s.mapping(step.ConnectionID, step.MappingVersion)
	if err != nil {
		return err
	}
	for i := range step.Exchanges {
		e := &step.Exchanges[i]
		e.Request = s.body(m, e.Request)
		if e.Status >= http.StatusBadRequest {
			e.Response = s.body(nil, e.Response) // no record, but what the other system has to say about one
		} else {
			e.Response = s.body(m, e.Response)
		}
	}
	return nil
}

// mapping is nil where none explains what is seen.
func (s Sight) mapping(connection *uuid.UUID, version string) (*mapping.Mapping, error) {
	if s.blind || connection == nil {
		return nil, nil
	}
	return s.mappings(*connection, version)
}

// body replaces the values of a body that are not to be seen. What is no whole JSON, such as one that was cut, is replaced altogether.
func (s Sight) body(m *mapping.Mapping, body string) string {
	if body == "" {
		return ""
	}
	v, err := schema.DecodeJSON([]byte(body))
	if err != nil {
		return access.Veiled
	}
	if m == nil {
		return text(access.Veil([]byte(body)))
	}
	return text(encode(m.VeilBody(v, s.hidden, access.Veiled)))
}

// text is a body as people read it: what is no more than the veil goes without quotes.
func text(body []byte) string {
	if string(body) == `"`+access.Veiled+`"` {
		return access.Veiled
	}
	return string(body)
}

// Veil takes out of a dead letter's payload what somebody may not see.
func (s Sight) Veil(d *job.DeadLetter) (err error) {
	d.Payload, err = s.payload(d.Payload, Direction(d.Direction), d.Stage != job.StageMapping, d.ConnectionID, d.MappingVersion)
	return err
}

// payload is what a dead letter keeps as somebody sees it: a record that was pulled, with what is known of it, or what was made to be
// pushed, or, where it could not be mapped, the entity.
func (s Sight) payload(payload []byte, d Direction, mapped bool, connection uuid.UUID, version string) ([]byte, error) {
	if s.whole || len(payload) == 0 {
		return payload, nil
	}
	v, err := schema.DecodeJSON(payload)
	doc, ok := v.(map[string]any)
	if err != nil || !ok {
		return access.Veil(payload), nil //nolint:nilerr // what cannot be read cannot be told apart
	}
	if d == Push && !mapped {
		return s.entity(doc), nil
	}
	m, err := s.mapping(&connection, version)
	if err != nil || m == nil {
		return access.Veil(payload), err
	}
	if d == Push {
		return encode(m.VeilBody(doc, s.hidden, access.Veiled)), nil
	}
	doc["data"] = m.Veil(doc["data"], s.hidden, access.Veiled)
	if doc["fault"] != nil {
		doc["fault"] = access.Veiled // the connector's words
	}
	return encode(doc), nil
}

// entity shows what of an entity's fields is not hidden.
func (s Sight) entity(doc map[string]any) []byte {
	for name, value := range doc {
		known := !s.blind && slices.ContainsFunc(crm.Fields(crm.Kind(s.resource)), func(f crm.Field) bool { return f.Name == name })
		if !known || slices.Contains(s.hidden, name) {
			doc[name] = json.RawMessage(access.Veil(encode(value)))
		}
	}
	return encode(doc)
}

func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return []byte(`"` + access.Veiled + `"`)
	}
	return bytes.TrimSpace(b.Bytes())
}
