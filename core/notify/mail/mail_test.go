package mail_test

import (
	"errors"
	"io"
	"net"
	"net/mail"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	notifymail "crmhub/core/notify/mail"
	"crmhub/core/secret"
)

// letterbox is an SMTP server that keeps what it gets, and refuses one address.
type letterbox struct{ got chan string }

func (l *letterbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{l}, nil }

type session struct{ *letterbox }

func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, Message: "no mailbox " + to}
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.got <- string(b)
	return err
}
func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

func TestMailIsHandedIn(t *testing.T) {
	t.Parallel()
	box := &letterbox{got: make(chan string, 1)}
	server := smtp.NewServer(box)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	defer func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}()
	s, err := notifymail.New(secret.New("smtp+plain://"+l.Addr().String()), "crmhub <hub@example.com>")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), "ops@example.com", "Verbindung „erp“ steht", "连接中断"); err != nil {
		t.Fatal(err)
	}
	m, err := mail.ReadMessage(strings.NewReader(<-box.got))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"From": `"crmhub" <hub@example.com>`, "To": "<ops@example.com>", "Auto-Submitted": "auto-generated"} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	err = s.Send(t.Context(), "nobody@example.com", "x", "y")
	if err == nil || !strings.Contains(err.Error(), "550") || strings.Contains(err.Error(), "nobody@") {
		t.Errorf("a refused address: %v", err)
	}
	_ = l.Close()
	if err := s.Send(t.Context(), "ops@example.com", "x", "y"); err == nil {
		t.Error("a server that cannot be reached took a mail")
	}
}

func TestAddressOfAServerIsChecked(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"smtps://u:p@mail.example.com":         "",
		"smtp://mail.example.com:587":          "",
		"smtp+plain://127.0.0.1:25":            "",
		"smtp+plain://u:hunter2@127.0.0.1":     "without TLS",
		"http://mail.example.com":              "scheme",
		"mail.example.com:25":                  "not an address",
		"smtps://u:hunter2@mail.example.com/x": "not an address",
		"smtps://u:hunter2@mail.example.com:x": "not an address",
	} {
		_, err := notifymail.New(secret.New(address), "hub@example.com")
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", address, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	if _, err := notifymail.New(secret.New("smtps://mail.example.com"), "not an address"); err == nil {
		t.Error("a sender that is no address is taken")
	}
}
