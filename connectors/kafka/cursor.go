package kafka

import (
	"encoding/hex"
	"encoding/json"
	"fmt"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// cursor is how far a topic was read: the offset of the next message, by partition. A partition that is not named begins
// with its first message.
type cursor struct {
	Topic   string          `json:"topic"`
	ID      string          `json:"id,omitempty"` // of the topic: one that was made anew has another
	Offsets map[int32]int64 `json:"offsets"`
}

// cursorFor reads the cursor of a topic. That of another topic counts for nothing: somebody named another in the connection.
func cursorFor(name string, stored json.RawMessage) (cursor, error) {
	c := cursor{Topic: name, Offsets: map[int32]int64{}}
	if stored == nil {
		return c, nil
	}
	var known cursor
	if err := json.Unmarshal(stored, &known); err != nil {
		return c, &connector.Error{Class: connector.ClassConfig, Message: fmt.Sprintf("the cursor of topic %s cannot be read: %v", name, err), Said: schema.Say("bad_cursor")}
	}
	if known.Topic != name || known.Offsets == nil {
		return c, nil
	}
	return known, nil
}

func (c cursor) encode() json.RawMessage {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // texts and numbers
	}
	return b
}

// begun is whether anything was read.
func (c cursor) begun() bool { return len(c.Offsets) > 0 }

// of is the cursor's place in the topic as it is now. It is a doubt that the topic is not the one that was read, unless a
// person accepts that: then it is read from its beginning.
func (c cursor) of(t topic, accept bool) (cursor, *connector.Doubt) {
	id := ""
	if t.id != ([16]byte{}) {
		id = hex.EncodeToString(t.id[:])
	}
	if c.ID != "" && id != "" && c.ID != id {
		if c.begun() && !accept {
			return c, &connector.Doubt{Message: fmt.Sprintf("topic %s was deleted and made anew: what it held and was not read yet is lost", t.name), Said: schema.Say("topic_anew", t.name)}
		}
		c.Offsets = map[int32]int64{}
	}
	c.ID = id
	return c, nil
}
