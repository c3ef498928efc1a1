// Package connectors lists the connectors there are: those that are shipped, and those that somebody put into a folder.
package connectors

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"crmhub/connectors/file"
	"crmhub/connectors/kafka"
	"crmhub/connectors/ledger"
	"crmhub/connectors/rest"
	"crmhub/core/connector"
	"crmhub/mappings"
	"crmhub/schemas"
)

//go:embed */*.yaml
//go:embed */recorded/*.txtar
var shipped embed.FS

// manifests of the shipped connectors, in the order they are listed.
var manifests = []string{ //nolint:gochecknoglobals // a constant
	"tryton/manifest.yaml",
	"killbill/manifest.yaml",
	"erpnext/manifest.yaml", "odoo/manifest.yaml", "xero/manifest.yaml", "kingdee/manifest.yaml", "businesscentral/manifest.yaml",
	"dolibarr/manifest.yaml", "quickbooks/manifest.yaml",
	"simulator/erp.yaml", "simulator/finance.yaml",
}

// written are the connectors that are Go; the others are manifests.
func written() []connector.Connector {
	return []connector.Connector{file.Connector(time.Now), kafka.Connector(), ledger.Connector(time.Now)}
}

// Set is all connectors, with the schemas and mappings that belong to them.
type Set struct {
	Connectors []connector.Connector
	Schemas    fs.FS            // as crmhub/schemas.FS
	Mappings   fs.FS            // as crmhub/mappings.FS
	Files      map[string]fs.FS // by connector's name: what lies beside its manifest
}

// All returns the shipped connectors. A faulty manifest is an error, which names all its faults by line.
func All() ([]connector.Connector, error) {
	s, err := Load("")
	if err != nil {
		return nil, err
	}
	return s.Connectors, nil
}

// Load returns the shipped connectors and those in a folder, if one is named: <dir>/<name>/manifest.yaml, with the records'
// schemas in schemas/<record>.json beside it and the mappings in mappings/<entity>.yaml. A folder that does not exist has none.
// The error has every fault of every manifest, by file and line.
func Load(dir string) (*Set, error) {
	s := &Set{Files: map[string]fs.FS{}}
	for _, c := range written() {
		s.Connectors, s.Files[c.Name] = append(s.Connectors, c), union{}
	}
	var faults []error
	for _, file := range manifests {
		source, err := shipped.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("connectors: %w", err)
		}
		faults = append(faults, s.add("connectors/"+file, source, func() (fs.FS, error) { return fs.Sub(shipped, path.Dir(file)) }))
	}
	schemaFiles, mappingFiles := union{schemas.FS}, union{mappings.FS}
	for _, name := range own(dir) {
		file := filepath.Join(dir, name, "manifest.yaml")
		source, err := os.ReadFile(file)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		before := len(s.Connectors)
		faults = append(faults, s.add(file, source, func() (fs.FS, error) { return os.DirFS(filepath.Join(dir, name)), nil }))
		if len(s.Connectors) > before && s.Connectors[before].Name != name {
			faults = append(faults, fmt.Errorf("%s: the connector is named %s, so its folder must be", file, s.Connectors[before].Name))
		}
		schemaFiles = append(schemaFiles, room{name, os.DirFS(filepath.Join(dir, name, "schemas"))})
		mappingFiles = append(mappingFiles, room{name, os.DirFS(filepath.Join(dir, name, "mappings"))})
	}
	s.Schemas, s.Mappings = schemaFiles, mappingFiles
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return s, nil
}

// own are the folders in dir that hold a manifest.
func own(dir string) []string {
	if dir == "" {
		return nil
	}
	found, _ := filepath.Glob(filepath.Join(dir, "*", "manifest.yaml")) // the pattern is right
	for i := range found {
		found[i] = filepath.Base(filepath.Dir(found[i]))
	}
	return found
}

func (s *Set) add(file string, source []byte, files func() (fs.FS, error)) error {
	c, err := rest.Parse(file, source)
	if err != nil {
		return err
	}
	if _, twice := s.Files[c.Name]; twice {
		return fmt.Errorf("%s: there is a connector %s already", file, c.Name)
	}
	s.Connectors = append(s.Connectors, c)
	s.Files[c.Name], err = files()
	return err
}

// ByName returns the connectors by name.
func (s *Set) ByName() map[string]connector.Connector {
	byName := make(map[string]connector.Connector, len(s.Connectors))
	for _, c := range s.Connectors {
		byName[c.Name] = c
	}
	return byName
}

// union is files of several places. What two have is the first one's.
type union []fs.FS

// Open opens a file of the first place that has it.
func (u union) Open(name string) (fs.File, error) {
	for _, files := range u {
		if f, err := files.Open(name); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// Glob implements [fs.GlobFS].
func (u union) Glob(pattern string) ([]string, error) {
	var all []string
	for _, files := range u {
		found, err := fs.Glob(files, pattern)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// room is one folder of files under a name.
type room struct {
	name  string
	files fs.FS
}

// Open opens <name>/<file>.
func (r room) Open(name string) (fs.File, error) {
	if path.Dir(name) != r.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return r.files.Open(path.Base(name))
}

// Glob implements [fs.GlobFS].
func (r room) Glob(pattern string) ([]string, error) {
	if fits, err := path.Match(path.Dir(pattern), r.name); err != nil || !fits {
		return nil, err
	}
	found, err := fs.Glob(r.files, path.Base(pattern))
	for i := range found {
		found[i] = path.Join(r.name, found[i])
	}
	return found, err
}
