package api

import (
	"fmt"
	"io/fs"
	"net/http"
	"syscall"
	"testing"
)

func TestAFullDiskIsSaidToBeOne(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("receive a file: %w", &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})
	if p := problemOf(err); p.Status != http.StatusServiceUnavailable || p.header.Get("Retry-After") == "" {
		t.Errorf("%+v", p)
	}
}
