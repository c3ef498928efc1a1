package rest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Fault is one thing wrong with a manifest.
type Fault struct {
	File    string
	Line    int
	Message string
}

func (f Fault) String() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Message) }

// Faults are all that is wrong with a manifest, by line.
type Faults struct {
	file string
	List []Fault
}

func (f *Faults) Error() string {
	lines := make([]string, len(f.List))
	for i, fault := range f.List {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// add adds a fault. A value without a line is missing, which the schema has told.
func (f *Faults) add(line int, message string) {
	if line == 0 {
		return
	}
	f.List = append(f.List, Fault{f.file, line, message})
}

// addYAML adds what the YAML library says, which names lines in its text only.
func (f *Faults) addYAML(err error) {
	said := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	if typed, ok := errors.AsType[*yaml.TypeError](err); ok {
		said = typed.Errors
	}
	for _, message := range said {
		line := 1
		if number, rest, ok := strings.Cut(strings.TrimPrefix(message, "line "), ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				line, message = n, rest
			}
		}
		f.add(line, message)
	}
}

func (f *Faults) err() error {
	if len(f.List) == 0 {
		return nil
	}
	slices.SortFunc(f.List, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Message, b.Message))
	})
	f.List = slices.Compact(f.List)
	return f
}
