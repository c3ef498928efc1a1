// Package mappings holds the mapping files that are shipped, one folder a connector.
package mappings

import "embed"

// FS holds <connector>/<entity>.yaml and <connector>/<entity>.example.json.
//
//go:embed */*
var FS embed.FS
