// Package rest makes connectors out of manifests: YAML files that describe a system's HTTP API.
//
// It promises: every fault of a manifest is reported at once, with its line; a write whose fate is not known is never
// repeated by itself; credentials go to the configured host only and are neither logged nor part of an error.
// README.md describes the manifest.
package rest
