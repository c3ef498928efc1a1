package postgrestest

import "syscall"

// memory is where Linux keeps files in memory. There a database is copied in 30 ms, on a disk in up to half a second.
const memory = "/dev/shm"

// enough is how much memory a package's databases may take before they could be in the way of others.
const enough = 4 << 30

// inMemory is a folder for a server that lives in memory, "" where there is none or little is left.
func inMemory() string {
	var s syscall.Statfs_t
	if err := syscall.Statfs(memory, &s); err != nil || s.Bavail*uint64(s.Bsize) < enough { //nolint:gosec // a size
		return ""
	}
	return memory
}
