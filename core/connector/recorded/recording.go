// Package recorded plays recorded exchanges: what a connector was asked, the requests it has to make for that, the remote's
// answers, and what it has to make of them. A manifest for a system that nobody can run here is proven so.
//
// A recording is a txtar archive. Its comment says where the shapes are from. Its first file, config.json, is the
// connection's configuration, secrets included, with {{url}} for the address. Then come steps. The files of a step
// begin with its name, a verb and what it is about behind a number:
//
//	01 pull customer             what is asked: {"limit": 2, "cursor": …}; "previous" is the cursor of the pull before
//	01 request                   GET /path, a line ?name=value for each of the query, headers, an empty line, the body
//	01 response                  200, headers, an empty line, the body
//	01 result                    what comes of it
//
// The verbs are check, pull, get, find, create, update and delete. A step may have several requests, each followed by its
// response. Requests are compared whole: method, path, query, headers that say something, body.
package recorded

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/tools/txtar"

	"crmhub/core/schema"
)

// Recording is a connection and what was asked over it.
type Recording struct {
	Comment string
	Config  map[string]any
	Steps   []*Step
}

// Step is one call of a session.
type Step struct {
	Number    string
	Verb      string
	Stream    string // "" for check
	Given     map[string]any
	Exchanges []*Exchange
	Result    any
}

func (s *Step) String() string {
	if s.Stream == "" {
		return s.Number + " " + s.Verb
	}
	return s.Number + " " + s.Verb + " " + s.Stream
}

// Exchange is a request and its answer. Texts are as in the archive.
type Exchange struct {
	Request, Response string
}

// Parse reads a recording. The error names the file within that is at fault.
func Parse(source []byte) (*Recording, error) {
	archive := txtar.Parse(source)
	r := &Recording{Comment: strings.TrimSpace(string(archive.Comment))}
	for i, file := range archive.Files {
		if err := r.add(i, file.Name, file.Data); err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name, err)
		}
	}
	if len(r.Steps) == 0 {
		return nil, errors.New("a recording has a config.json and steps")
	}
	for _, s := range r.Steps {
		for _, e := range s.Exchanges {
			if e.Request == "" || e.Response == "" {
				return nil, fmt.Errorf("%s: a request and its response go together", s)
			}
		}
	}
	return r, nil
}

func (r *Recording) add(i int, name string, data []byte) (err error) {
	if i == 0 {
		if name != "config.json" {
			return errors.New("the first file is config.json")
		}
		r.Config, err = object(data)
		return err
	}
	words := strings.Fields(name)
	if len(words) < 2 {
		return errors.New("a file's name is a number and what it holds")
	}
	var step *Step
	if len(r.Steps) > 0 && r.Steps[len(r.Steps)-1].Number == words[0] {
		step = r.Steps[len(r.Steps)-1]
	}
	isPart := words[1] == "request" || words[1] == "response" || words[1] == "result"
	if step == nil == isPart {
		return errors.New("a step begins with what is asked, and has a number of its own")
	}
	switch words[1] {
	case "request":
		step.Exchanges = append(step.Exchanges, &Exchange{Request: string(data)})
	case "response":
		if len(step.Exchanges) == 0 || step.Exchanges[len(step.Exchanges)-1].Response != "" {
			return errors.New("a response follows its request")
		}
		step.Exchanges[len(step.Exchanges)-1].Response = string(data)
	case "result":
		step.Result, err = schema.DecodeJSON(data)
	case "check", "pull", "get", "find", "create", "update", "delete":
		step = &Step{Number: words[0], Verb: words[1]}
		if (step.Verb == "check") != (len(words) == 2) {
			return errors.New("all verbs but check name a stream")
		}
		step.Stream = strings.Join(words[2:], " ")
		step.Given, err = object(data)
		r.Steps = append(r.Steps, step)
	default:
		err = fmt.Errorf("there is no %s: check, pull, get, find, create, update, delete, request, response, result", words[1])
	}
	return err
}

func object(data []byte) (map[string]any, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return map[string]any{}, nil
	}
	doc, err := schema.DecodeJSON(data)
	if err != nil {
		return nil, err
	}
	o, ok := doc.(map[string]any)
	if !ok {
		return nil, errors.New("it is a JSON object")
	}
	return o, nil
}

// Format writes a recording as Parse reads it.
func (r *Recording) Format() ([]byte, error) {
	archive := &txtar.Archive{Comment: []byte(r.Comment + "\n")}
	var faults []error
	add := func(name string, doc any) {
		data, err := pretty(doc)
		faults = append(faults, err)
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: data})
	}
	add("config.json", r.Config)
	for _, s := range r.Steps {
		add(s.String(), s.Given)
		for _, e := range s.Exchanges {
			archive.Files = append(archive.Files,
				txtar.File{Name: s.Number + " request", Data: []byte(e.Request)},
				txtar.File{Name: s.Number + " response", Data: []byte(e.Response)})
		}
		add(s.Number+" result", s.Result)
	}
	return txtar.Format(archive), errors.Join(faults...)
}

func pretty(doc any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(doc)
	return b.Bytes(), err
}
