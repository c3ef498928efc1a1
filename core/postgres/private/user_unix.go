//go:build unix

package private

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// processUser is whom the server runs as. The zero value is the hub's own user.
type processUser struct {
	name     string
	uid, gid uint32
}

// serverUser chooses the user: PostgreSQL refuses to run as root.
func serverUser() (processUser, error) {
	if os.Geteuid() != 0 {
		return processUser{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return processUser{name, uint32(uid), uint32(gid)}, nil
		}
	}
	return processUser{}, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody to run it as")
}

func (u processUser) own(path string) error {
	if u.name == "" {
		return nil
	}
	return os.Chown(path, int(u.uid), int(u.gid))
}

// canReach checks that the user can enter the directory, which one below root's home cannot.
func (u processUser) canReach(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, "test", "-w", dir)
	u.become(cmd)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the user %s, whom the server runs as, cannot reach %s: choose a data directory outside of root's own", u.name, dir)
	}
	return nil
}

func (u processUser) become(cmd *exec.Cmd) {
	// A session of its own: an interrupt typed at the hub's terminal must not stop the server before the hub.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if u.name != "" {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: u.uid, Gid: u.gid}
	}
}
