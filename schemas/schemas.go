// Package schemas holds the JSON Schemas (2020-12) of entities (order.v1.json) and, in a folder for each connector, of its
// records (tryton/sale.sale.json). Entities' schemas are public: topics, API and mappings are checked against them.
package schemas

import "embed"

// FS has every schema under its path below this folder.
//
//go:embed *.json */*.json
var FS embed.FS
