package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"crmhub/core/connector"
	"crmhub/core/schema"
	"crmhub/core/secret"
)

// server is where an SFTP server is.
type server struct {
	Host      string `json:"host"`
	Port      int    `json:"port"`
	User      string `json:"user"`
	HostKey   string `json:"host_key"`
	Directory string `json:"directory"`
}

// remote is a folder of an SFTP server. It connects when it is used, and again after the connection broke.
type remote struct {
	address string
	dir     string
	config  *ssh.ClientConfig

	mu     sync.Mutex
	ssh    *ssh.Client
	client *sftp.Client
}

// connectTime is how long connecting to a server may take.
const connectTime = 20 * time.Second

func newRemote(s server, secrets map[string]secret.Text) (*remote, error) {
	key, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(s.HostKey))
	if err != nil || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, misconfigured("/sftp/host_key: is no public key such as ssh-ed25519 AAAA…")
	}
	c := &ssh.ClientConfig{User: s.User, HostKeyCallback: ssh.FixedHostKey(key), HostKeyAlgorithms: algorithmsOf(key.Type()), Timeout: connectTime}
	if pem, ok := secrets["private_key"]; ok {
		signer, err := ssh.ParsePrivateKey([]byte(pem.Reveal()))
		if err != nil {
			return nil, misconfigured("/private_key: is no private key in PEM form without a passphrase")
		}
		c.Auth = append(c.Auth, ssh.PublicKeys(signer))
	}
	if password, ok := secrets["password"]; ok {
		c.Auth = append(c.Auth, ssh.Password(password.Reveal()))
	}
	if len(c.Auth) == 0 {
		return nil, misconfigured("/sftp: needs a password or a private_key")
	}
	port, dir := s.Port, s.Directory
	if port == 0 {
		port = 22
	}
	if dir == "" {
		dir = "."
	}
	return &remote{address: net.JoinHostPort(s.Host, strconv.Itoa(port)), dir: dir, config: c}, nil
}

// algorithmsOf are the signatures that a key of a type is proven by. Without them a server might show another key.
func algorithmsOf(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}

// with runs do with the server. When ctx ends the connection is cut, for no call of the protocol can be stopped otherwise.
func (r *remote) with(ctx context.Context, do func(c *sftp.Client) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client == nil {
		if err := r.connect(ctx); err != nil {
			return err
		}
	}
	client := r.client
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	err := do(client)
	stop()
	if err == nil || answered(err) {
		return err
	}
	r.disconnect()
	return &connector.Error{Class: connector.ClassTransient, Message: "the SFTP server does not answer", Err: errors.Join(ctx.Err(), err), Said: schema.Say("no_answer")}
}

// answered reports whether an error is the server's answer, so that the connection is good.
func answered(err error) bool {
	status, told := (*sftp.StatusError)(nil), (*connector.Error)(nil)
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrPermission) || errors.As(err, &status) || errors.As(err, &told)
}

func (r *remote) connect(ctx context.Context) error {
	d := net.Dialer{Timeout: connectTime}
	conn, err := d.DialContext(ctx, "tcp", r.address)
	if err != nil {
		return &connector.Error{Class: connector.ClassTransient, Message: "the SFTP server cannot be reached", Err: err, Said: schema.Say("unreachable", err)}
	}
	_ = conn.SetDeadline(time.Now().Add(connectTime))
	c, channels, requests, err := ssh.NewClientConn(conn, r.address, r.config)
	if err != nil {
		_ = conn.Close()
		return refused(err)
	}
	_ = conn.SetDeadline(time.Time{})
	r.ssh = ssh.NewClient(c, channels, requests)
	if r.client, err = sftp.NewClient(r.ssh); err != nil {
		r.disconnect()
		return &connector.Error{Class: connector.ClassConfig, Message: "the server speaks no SFTP", Err: err, Said: schema.Say("no_sftp")}
	}
	for _, name := range []string{doneFolder, failedFolder} {
		if err := r.client.MkdirAll(path.Join(r.dir, name)); err != nil {
			r.disconnect()
			return fmt.Errorf("make the folder %s: %w", name, err)
		}
	}
	return nil
}

// refused tells what a failed handshake was about. The server's words may repeat the user's name.
func refused(err error) *connector.Error {
	switch text := err.Error(); {
	case strings.Contains(text, "host key mismatch"), strings.Contains(text, "no common algorithm for host key"):
		return &connector.Error{
			Class: connector.ClassAuth, Message: "the server has another host key than the connection expects", Err: err,
			Remedy: "Ask who runs the server whether its key changed, and only then enter the new one.", Said: schema.Say("other_host_key"),
		}
	case strings.Contains(text, "unable to authenticate"):
		return &connector.Error{Class: connector.ClassAuth, Message: "the server refused the credentials", Err: err, Remedy: "Enter user, password or key again.", Said: schema.Say("credentials_refused")}
	}
	return &connector.Error{Class: connector.ClassTransient, Message: "the SFTP server broke the connection off", Err: err, Said: schema.Say("hung_up")}
}

func (r *remote) disconnect() {
	if r.client != nil {
		_ = r.client.Close()
	}
	if r.ssh != nil {
		_ = r.ssh.Close()
	}
	r.client, r.ssh = nil, nil
}

func (r *remote) list(ctx context.Context) (all []found, err error) {
	err = r.with(ctx, func(c *sftp.Client) error {
		entries, err := c.ReadDir(r.dir)
		for _, e := range entries {
			if e.Mode().IsRegular() && !strings.ContainsAny(e.Name(), `/\`) {
				all = append(all, found{e.Name(), e.Size(), e.ModTime().UTC()})
			}
		}
		return err
	})
	return all, err
}

func (r *remote) open(ctx context.Context, name string) (in io.ReadCloser, err error) {
	err = r.with(ctx, func(c *sftp.Client) error {
		info, err := c.Lstat(path.Join(r.dir, name))
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fs.ErrNotExist
		}
		in, err = c.Open(path.Join(r.dir, name))
		return err
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

func (r *remote) put(ctx context.Context, name string, content io.Reader) error {
	return r.with(ctx, func(c *sftp.Client) error {
		draft := path.Join(r.dir, path.Dir(name), draftOf(path.Base(name)))
		f, err := c.Create(draft)
		if err != nil {
			return err
		}
		_, err = f.ReadFrom(content)
		if err = errors.Join(err, f.Close()); err == nil {
			err = renameFree(c, draft, path.Join(r.dir, name))
		}
		if err != nil {
			_ = c.Remove(draft)
		}
		return err
	})
}

func (r *remote) move(ctx context.Context, from found, to string) error {
	return r.with(ctx, func(c *sftp.Client) error {
		name := path.Join(r.dir, from.Name)
		if info, err := c.Lstat(name); err != nil || !from.is(info) {
			return errors.Join(err, fs.ErrNotExist)
		}
		return renameFree(c, name, path.Join(r.dir, to))
	})
}

// renameFree gives a file a name that is free. The protocol's own rename refuses one that is taken, with an error that says
// nothing.
func renameFree(c *sftp.Client, from, to string) error {
	if _, err := c.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return c.Rename(from, to)
}

func (r *remote) load(ctx context.Context, name string, most int64) (content []byte, err error) {
	err = r.with(ctx, func(c *sftp.Client) error {
		f, err := c.Open(path.Join(r.dir, name))
		if err != nil {
			return err
		}
		content, err = io.ReadAll(io.LimitReader(f, most))
		return errors.Join(err, f.Close())
	})
	return content, err
}

func (r *remote) store(ctx context.Context, name string, content []byte) error {
	return r.with(ctx, func(c *sftp.Client) error {
		name := path.Join(r.dir, name)
		f, err := c.Create(name)
		if errors.Is(err, fs.ErrNotExist) {
			if err = c.MkdirAll(path.Dir(name)); err == nil {
				f, err = c.Create(name)
			}
		}
		if err != nil {
			return err
		}
		_, err = f.ReadFrom(bytes.NewReader(content))
		if _, can := c.HasExtension("fsync@openssh.com"); can && err == nil {
			err = f.Sync()
		}
		return errors.Join(err, f.Close())
	})
}

// overwriting is the extension of the protocol by which a file gets a name that another one has. OpenSSH has it.
const overwriting = "posix-rename@openssh.com"

func (r *remote) rename(ctx context.Context, from, to string) error {
	return r.with(ctx, func(c *sftp.Client) error {
		return c.PosixRename(path.Join(r.dir, from), path.Join(r.dir, to))
	})
}

func (r *remote) remove(ctx context.Context, name string) error {
	return r.with(ctx, func(c *sftp.Client) error {
		err := c.Remove(path.Join(r.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

func (r *remote) has(ctx context.Context, name string) (there bool, err error) {
	err = r.with(ctx, func(c *sftp.Client) error {
		_, err := c.Lstat(path.Join(r.dir, name))
		if there = err == nil; errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return there, err
}

// makeFolder also finds out whether the server can do what writing takes.
func (r *remote) makeFolder(ctx context.Context, name string) error {
	return r.with(ctx, func(c *sftp.Client) error {
		if _, can := c.HasExtension(overwriting); !can {
			return &connector.Error{
				Class: connector.ClassConfig, Message: "the server cannot rename a file over another (" + overwriting + ")",
				Remedy: "Use a server that can, such as OpenSSH, or a folder of the hub.", Said: schema.Say("no_overwriting"),
			}
		}
		return c.MkdirAll(path.Join(r.dir, name))
	})
}

// trusted is false: the server's clock may be wrong, so a file has to be seen unchanged by ours.
func (*remote) trusted() bool { return false }

func (r *remote) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.disconnect()
	return nil
}
