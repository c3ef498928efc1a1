// Package mail sends the hub's mails through an SMTP server.
package mail

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/wneessen/go-mail"

	"crmhub/core/secret"
)

// Server is where mails are handed in.
type Server struct {
	options []mail.Option
	host    string
	from    string
}

// New reads the address of a server: smtps://user:password@host:465 speaks TLS from the start, smtp://host:587 must be able to
// change to TLS; smtp+plain://host:25 never does, and gets no password. from is the sender of every mail.
func New(address secret.Text, from string) (*Server, error) {
	u, err := url.Parse(address.Reveal())
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		return nil, errors.New("not an address like smtps://user:password@mail.example.com:465") // err would quote the password
	}
	s := &Server{host: u.Hostname(), from: from}
	port := 0
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil {
			return nil, errors.New("the port is no number")
		}
	}
	switch u.Scheme {
	case "smtps":
		s.options = append(s.options, mail.WithSSL(), mail.WithPort(or(port, mail.DefaultPortSSL)))
	case "smtp":
		s.options = append(s.options, mail.WithTLSPolicy(mail.TLSMandatory), mail.WithPort(or(port, mail.DefaultPortTLS)))
	case "smtp+plain":
		if u.User != nil {
			return nil, errors.New("a password is not sent without TLS: use smtps:// or smtp://")
		}
		s.options = append(s.options, mail.WithTLSPolicy(mail.NoTLS), mail.WithPort(or(port, mail.DefaultPort)))
	default:
		return nil, errors.New("the scheme is none of smtps, smtp and smtp+plain")
	}
	if u.User != nil {
		password, _ := u.User.Password()
		s.options = append(s.options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(u.User.Username()), mail.WithPassword(password))
	}
	if err := mail.NewMsg().From(from); err != nil {
		return nil, errors.New("the sender is no mail address")
	}
	return s, nil
}

// Send hands in one mail. The error quotes no address.
func (s *Server) Send(ctx context.Context, to, subject, text string) error {
	m := mail.NewMsg()
	if err := errors.Join(m.From(s.from), m.To(to)); err != nil {
		return errors.New("an address is none")
	}
	m.Subject(subject)
	m.SetBodyString(mail.TypeTextPlain, text)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // so that nobody's absence answers
	c, err := mail.NewClient(s.host, s.options...)
	if err != nil {
		return fmt.Errorf("reach the mail server: %w", err)
	}
	if err := c.DialAndSendWithContext(ctx, m); err != nil {
		return reason(err)
	}
	return nil
}

// reason keeps the addresses of people out of the error.
func reason(err error) error {
	if refused, ok := errors.AsType[*mail.SendError](err); ok {
		return fmt.Errorf("the mail server refused it with code %d (%s)", refused.ErrorCode(), refused.Reason)
	}
	return fmt.Errorf("reach the mail server: %w", err)
}

func or(port, standard int) int {
	if port == 0 {
		return standard
	}
	return port
}
