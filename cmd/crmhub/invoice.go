package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"crmhub/core/einvoice"
)

type invoiceCommand struct {
	Check invoiceCheck `cmd:"" help:"Check UBL invoices and credit notes against EN 16931."`
}

type invoiceCheck struct {
	Files []string `arg:"" name:"file" help:"UBL 2.1 invoices or credit notes."`
	JSON  bool     `help:"Print a line of JSON for each file, with messages in English and Chinese."`
}

// judgement is what is said of a file.
type judgement struct {
	File     string             `json:"file"`
	Valid    bool               `json:"valid"`           // warnings do not count
	Error    string             `json:"error,omitempty"` // why it cannot be read
	Findings []einvoice.Finding `json:"findings"`
}

// Run prints the broken rules of each file, and fails if one has a fatal one or cannot be read.
func (c *invoiceCheck) Run(out output) error {
	bad := 0
	lines := json.NewEncoder(out.stdout)
	lines.SetEscapeHTML(false)
	for _, name := range c.Files {
		j, err := judge(name)
		if err != nil {
			return err
		}
		if !j.Valid {
			bad++
		}
		if c.JSON {
			err = lines.Encode(j)
		} else {
			err = j.print(out)
		}
		if err != nil {
			return fmt.Errorf("write what %s breaks: %w", name, err)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d files are no invoices under EN 16931", bad, len(c.Files))
	}
	return nil
}

// judge returns an error if the file cannot be had; that it is no invoice is part of the judgement.
func judge(name string) (judgement, error) {
	j := judgement{File: name, Findings: []einvoice.Finding{}}
	f, err := os.Open(name)
	if err != nil {
		return j, err
	}
	defer func() { _ = f.Close() }()
	v, err := einvoice.Parse(f)
	if syntax, ok := errors.AsType[*einvoice.SyntaxError](err); ok {
		j.Error = syntax.Error()
		return j, nil
	}
	if err != nil {
		return j, fmt.Errorf("%s: %w", name, err)
	}
	j.Findings = append(j.Findings, einvoice.Check(v)...)
	j.Valid = !einvoice.Broken(j.Findings)
	return j, nil
}

func (j *judgement) print(out output) error {
	switch {
	case j.Error != "":
		_, err := fmt.Fprintf(out.stdout, "%s: cannot be read: %s\n", j.File, j.Error)
		return err
	case len(j.Findings) == 0:
		_, err := fmt.Fprintf(out.stdout, "%s: no fault\n", j.File)
		return err
	}
	for _, f := range j.Findings {
		if _, err := fmt.Fprintf(out.stdout, "%s:%d: %s %s: %s (%s)\n", j.File, f.Line, f.Severity, f.Rule, f.Message.English, f.Place); err != nil {
			return err
		}
	}
	return nil
}
