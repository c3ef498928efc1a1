package postgrestest

import "syscall"

// memory is where Linux keeps files in memory. There a database is copied in 30 ms, on a disk in up to half a second.
const memory = "/dev/shm"

// enough is how much of it must be free: the servers of packages that are tested at the same time take some of it each.
const enough = 8 << 30

// inMemory is a folder for a server that lives in memory, "" where there is none or little is left.
func inMemory() string {
	var s syscall.Statfs_t
	if err := syscall.Statfs(memory, &s); err != nil || s.Bavail*uint64(s.Bsize) < enough { //nolint:gosec // a size
		return ""
	}
	return memory
}
