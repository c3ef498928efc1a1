// Package connectors lists the connectors there are.
package connectors

import (
	"embed"
	"errors"
	"fmt"
	"time"

	"crmhub/connectors/file"
	"crmhub/connectors/kafka"
	"crmhub/connectors/ledger"
	"crmhub/connectors/rest"
	"crmhub/core/connector"
)

//go:embed tryton/manifest.yaml simulator/erp.yaml simulator/finance.yaml
var manifests embed.FS

// All returns every connector. A faulty manifest is an error, which names all its faults by line.
func All() ([]connector.Connector, error) {
	all := []connector.Connector{file.Connector(time.Now), kafka.Connector(), ledger.Connector(time.Now)}
	var faults []error
	for _, name := range []string{"tryton/manifest.yaml", "simulator/erp.yaml", "simulator/finance.yaml"} {
		source, err := manifests.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("connectors: %w", err)
		}
		c, err := rest.Parse("connectors/"+name, source)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		all = append(all, c)
	}
	return all, errors.Join(faults...)
}

// ByName returns every connector by its name.
func ByName() (map[string]connector.Connector, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	byName := make(map[string]connector.Connector, len(all))
	for _, c := range all {
		byName[c.Name] = c
	}
	return byName, nil
}
