package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"crmhub/connectors"
	"crmhub/core/mapping"
	"crmhub/core/schema"
)

type mappingCommand struct {
	Check mappingCheck `cmd:"" help:"Check mapping files against the schemas they join."`
	Test  mappingTest  `cmd:"" help:"Prove that mappings give back what went in, and run their examples."`

	List     mappingList     `cmd:"" help:"List what holds on a connection, and the organization's own versions."`
	Show     mappingShow     `cmd:"" help:"Print a mapping."`
	Diff     mappingDiff     `cmd:"" help:"Say what a version does otherwise than what holds now."`
	Publish  mappingPublish  `cmd:"" help:"Test a version of the organization's own and make it live."`
	Rollback mappingRollback `cmd:"" help:"Roll back the live version."`
}

// mappingFiles says which files a command is about.
type mappingFiles struct {
	Mappings string `help:"Folder with <connector>/<entity>.yaml instead of the shipped mappings." type:"existingdir" placeholder:"DIR"`
	Schemas  string `help:"Folder with the schemas instead of the shipped ones." type:"existingdir" placeholder:"DIR"`
}

func (f *mappingFiles) load(c *Config) (fs.FS, *mapping.Set, error) {
	all, err := connectors.Load(c.connectorsDir())
	if err != nil {
		return nil, nil, err
	}
	files, schemaFiles := all.Mappings, all.Schemas
	if f.Mappings != "" {
		files = os.DirFS(f.Mappings)
	}
	if f.Schemas != "" {
		schemaFiles = os.DirFS(f.Schemas)
	}
	compiled, err := schema.Load(schemaFiles)
	if err != nil {
		return nil, nil, err
	}
	set, err := mapping.Load(files, compiled)
	if err == nil && len(set.All()) == 0 {
		err = fmt.Errorf("%s has no mappings: they are in files <connector>/<entity>.yaml", f.Mappings)
	}
	return files, set, err
}

type mappingCheck struct{ mappingFiles }

// Run prints every fault with file and line.
func (c *mappingCheck) Run(cfg *Config, out output) error {
	_, set, err := c.load(cfg)
	if faults, ok := errors.AsType[mapping.Faults](err); ok {
		for _, f := range faults {
			fmt.Fprintln(out.stdout, f)
		}
		return fmt.Errorf("%d faults", len(faults))
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out.stdout, "%d mappings, no fault\n", len(set.All()))
	return nil
}

type mappingTest struct{ mappingFiles }

// Run prints a line for each mapping, and what did not hold.
func (c *mappingTest) Run(cfg *Config, out output) error {
	files, set, err := c.load(cfg)
	if err != nil {
		return err
	}
	reports, err := mapping.Prove(files, set)
	if err != nil {
		return err
	}
	failed := 0
	for _, r := range reports {
		fmt.Fprintf(out.stdout, "%s/%s: %d entities there and back, %d examples\n", r.Connector, r.Entity, r.Entities, r.Examples)
		for _, f := range r.Faults {
			fmt.Fprintln(out.stdout, "  FAIL", f)
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d failed", failed)
	}
	return nil
}

// loadMappings reads the shipped mappings, and those of connectors of one's own.
func loadMappings(c *Config) (*mapping.Set, error) {
	_, set, err := (&mappingFiles{}).load(c)
	return set, err
}
