//go:build !linux

package postgrestest

// inMemory is "": the server lives on disk.
func inMemory() string { return "" }
