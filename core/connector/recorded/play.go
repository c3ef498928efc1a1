package recorded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"crmhub/core/connector"
	"crmhub/core/schema"
	"crmhub/core/secret"
)

// Outcome is what became of a step.
type Outcome struct {
	Step    *Step
	Faults  []string           // how requests or the result differ from what is recorded
	Records []connector.Record // that were read
}

// patience is how long a step may take. All answers are at hand, so only a fault takes that long.
const patience = time.Minute

// Play asks a new session everything that is recorded.
func Play(ctx context.Context, c connector.Connector, r *Recording) ([]Outcome, error) {
	return play(ctx, c, r, false)
}

// Update is [Play], by which the recording's requests and results become what they are now: an author writes the first line
// of each request and the responses, and reads what came of it.
func Update(ctx context.Context, c connector.Connector, r *Recording) ([]Outcome, error) {
	return play(ctx, c, r, true)
}

func play(ctx context.Context, c connector.Connector, r *Recording, update bool) (outcomes []Outcome, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("play a recording: %w", err)
	}
	remote := &remote{update: update, address: "http://" + listener.Addr().String()}
	server := &http.Server{Handler: remote, ReadHeaderTimeout: patience, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	defer func() {
		err = errors.Join(err, server.Close())
		if ended := <-done; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
	}()
	session, err := open(c, r, remote.address)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	var last json.RawMessage
	for _, step := range r.Steps {
		remote.begin(step)
		o := Outcome{Step: step}
		result, records, err := ask(ctx, session, step, &last)
		if err != nil {
			return outcomes, fmt.Errorf("%s: %w", step, err)
		}
		o.Faults, o.Records = remote.end(), records
		plain, err := decoded(result)
		if err != nil {
			return outcomes, err
		}
		plain = remote.anonymous(plain)
		if update {
			step.Result = plain
		} else if !reflect.DeepEqual(plain, step.Result) {
			got, _ := pretty(plain)
			want, _ := pretty(step.Result)
			o.Faults = append(o.Faults, fmt.Sprintf("the result is\n%s, recorded is\n%s", got, want))
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, nil
}

func open(c connector.Connector, r *Recording, address string) (connector.Session, error) {
	o := connector.Options{Config: map[string]any{}, Secrets: map[string]secret.Text{}, Logger: slog.New(slog.DiscardHandler)}
	for name, v := range r.Config {
		text, isText := v.(string)
		if isText {
			v = strings.ReplaceAll(text, "{{url}}", address)
		}
		if slices.Contains(c.Secrets, name) {
			o.Secrets[name] = secret.New(fmt.Sprint(v))
		} else {
			o.Config[name] = v
		}
	}
	compiled, err := schema.Compile(c.Name+"/config.json", c.Config)
	if err != nil {
		return nil, err
	}
	whole := maps.Clone(o.Config)
	for name, text := range o.Secrets {
		whole[name] = text.Reveal()
	}
	if err := compiled.Validate(whole).Err(); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	return c.Open(o)
}

// record is one as results show it.
type record struct {
	ID        string         `json:"id"`
	Version   string         `json:"version,omitempty"`
	UpdatedAt string         `json:"updated_at,omitempty"`
	Deleted   bool           `json:"deleted,omitempty"`
	Data      map[string]any `json:"data,omitempty"`
}

func shown(r connector.Record) record {
	s := record{ID: r.ID, Version: r.Version, Deleted: r.Deleted, Data: r.Data}
	if !r.UpdatedAt.IsZero() {
		s.UpdatedAt = r.UpdatedAt.Format(time.RFC3339Nano)
	}
	return s
}

// fault is an error as results show it.
type fault struct {
	Class      connector.Class `json:"class"`
	Message    string          `json:"message"`
	Code       string          `json:"code,omitempty"`
	Remedy     string          `json:"remedy,omitempty"`
	RetryAfter string          `json:"retry_after,omitempty"`
}

func failure(err error) any {
	e := connector.AsError(err)
	f := fault{Class: e.Class, Message: e.Message, Code: e.Code, Remedy: e.Remedy}
	if e.RetryAfter > 0 {
		f.RetryAfter = e.RetryAfter.String()
	}
	return map[string]any{"error": f}
}

// ask makes the step's call. The error is one of the recording itself.
func ask(ctx context.Context, s connector.Session, step *Step, last *json.RawMessage) (result any, read []connector.Record, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	given := func(name string) string {
		text, _ := step.Given[name].(string)
		return text
	}
	switch step.Verb {
	case "check":
		if err := s.Check(ctx); err != nil {
			return failure(err), nil, nil
		}
		return map[string]any{}, nil, nil
	case "pull":
		return pull(ctx, s, step, last)
	case "get", "find":
		var r *connector.Record
		if step.Verb == "get" {
			r, err = s.(connector.Getter).Get(ctx, step.Stream, given("id"))
		} else {
			r, err = s.(connector.Finder).Find(ctx, step.Stream, given("reference"))
		}
		switch {
		case err != nil:
			return failure(err), nil, nil
		case r == nil:
			return map[string]any{"record": nil}, nil, nil
		}
		return map[string]any{"record": shown(*r)}, []connector.Record{*r}, nil
	}
	data, _ := step.Given["data"].(map[string]any)
	results, err := s.(connector.Pusher).Push(ctx, step.Stream, []connector.Write{{
		Op: connector.Op(step.Verb), ID: given("id"), RemoteVersion: given("version"), Reference: given("reference"), Data: data,
	}})
	if err != nil {
		return failure(err), nil, nil
	}
	answer := map[string]any{"outcome": [...]string{"unknown", "done", "refused"}[results[0].Outcome]}
	if results[0].Err != nil {
		answer["error"] = failure(results[0].Err).(map[string]any)["error"]
	}
	if r := results[0].Record; r.ID != "" {
		answer["record"] = shown(r)
		if r.Data != nil {
			read = append(read, r)
		}
	}
	return answer, read, nil
}

func pull(ctx context.Context, s connector.Session, step *Step, last *json.RawMessage) (any, []connector.Record, error) {
	r := connector.PullRequest{Stream: step.Stream}
	if n, ok := step.Given["limit"].(json.Number); ok {
		limit, err := n.Int64()
		if err != nil {
			return nil, nil, err
		}
		r.Limit = int(limit)
	}
	switch cursor := step.Given["cursor"]; cursor {
	case nil:
	case "previous":
		r.Cursor = *last
	default:
		b, err := json.Marshal(cursor)
		if err != nil {
			return nil, nil, err
		}
		r.Cursor = b
	}
	page, err := s.(connector.Puller).Pull(ctx, r)
	if err != nil {
		return failure(err), nil, nil
	}
	*last = page.Cursor
	records := make([]record, len(page.Records))
	for i, r := range page.Records {
		records[i] = shown(r)
	}
	answer := map[string]any{"records": records, "more": page.More, "cursor": page.Cursor}
	if page.Expected > 0 {
		answer["expected"] = page.Expected
	}
	return answer, page.Records, nil
}

// decoded is a value as JSON has it.
func decoded(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return schema.DecodeJSON(b)
}
