package rest

import (
	"fmt"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// toRecord reads a record of the stream from what the remote gave. One whose version or time cannot be read is given with the error.
func (st *stream) toRecord(v any) (connector.Record, error) {
	data, ok := v.(map[string]any)
	if !ok {
		return connector.Record{}, wrongShape("a record is a %s, not an object", kindOf(v))
	}
	raw, _ := st.id.in(data)
	id, err := text(raw)
	if err != nil || id == "" {
		return connector.Record{}, wrongShape("a record has no id where the manifest says")
	}
	r := connector.Record{ID: id, Data: data}
	if st.version != nil {
		raw, _ := st.version.in(data)
		if r.Version, err = text(raw); err != nil {
			return r, wrongShape("the version of a record: %v", err)
		}
	}
	for _, at := range st.updated {
		raw, _ := at.in(data)
		changed, err := parseTime(raw, st.format)
		if err != nil {
			return r, wrongShape("when a record changed cannot be read: %v", err)
		}
		if changed.After(r.UpdatedAt) {
			r.UpdatedAt = changed
		}
	}
	r.Deleted = st.deleted != nil && st.deleted.fits(0, nil, data)
	return r, nil
}

// wrongShape is an answer that the manifest does not describe.
func wrongShape(format string, args ...any) *connector.Error {
	return &connector.Error{
		Class: connector.ClassConfig, Message: fmt.Sprintf(format, args...),
		Remedy: "The remote answers otherwise than the connector's manifest says: check the remote's version.", Said: schema.Say("wrong_shape"),
	}
}

// rows returns the list of records in an answer.
func rows(body any, p *pullPlan) ([]any, error) {
	v, ok := p.records.in(body)
	if !ok || v == nil {
		if p.missing {
			return nil, nil
		}
		return nil, wrongShape("the answer has no records where the manifest says")
	}
	list, ok := v.([]any)
	if !ok {
		return nil, wrongShape("the records are a %s, not a list", kindOf(v))
	}
	return p.columns.records(list)
}
