package main

import (
	"fmt"

	"crmhub/connectors/kafka"
	"crmhub/core/asyncapi"
	"crmhub/schemas"
)

type asyncAPICommand struct{}

// Run prints the document.
func (c *asyncAPICommand) Run(out output) error {
	doc, err := describeTopics()
	if err != nil {
		return err
	}
	fmt.Fprintf(out.stdout, "%s\n", doc)
	return nil
}

func describeTopics() ([]byte, error) {
	return asyncapi.Document(asyncapi.Config{Version: version(), Schemas: schemas.FS, Streams: kafka.Connector().Streams})
}
