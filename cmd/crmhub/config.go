package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"crmhub/core/access/openid"
	"crmhub/core/bus"
	"crmhub/core/console"
	"crmhub/core/money"
	"crmhub/core/notify"
	"crmhub/core/notify/mail"
	"crmhub/core/secret"
	"crmhub/core/telemetry"
)

// Config is everything that can be configured: a flag and an environment variable each. It is checked whole at start.
type Config struct {
	DataDir       string      `env:"CRMHUB_DATA_DIR" default:"${data}" help:"Where the private database, the embedded broker and the sealing key live." placeholder:"DIR"`
	FilesDir      string      `env:"CRMHUB_FILES_DIR" help:"Where connections have their folders, DIR/<organization>/<connection>; the folder files of the data directory when empty." placeholder:"DIR"`
	DatabaseURL   secret.Text `env:"CRMHUB_DATABASE_URL" help:"PostgreSQL to use; a private server when empty." placeholder:"URL"`
	KafkaBrokers  []string    `env:"CRMHUB_KAFKA_BROKERS" help:"Kafka to use, host:port,…; an embedded broker when empty." placeholder:"LIST"`
	KafkaUser     string      `env:"CRMHUB_KAFKA_USER" help:"SASL user." placeholder:"NAME"`
	KafkaPassword secret.Text `env:"CRMHUB_KAFKA_PASSWORD" help:"SASL password." placeholder:"TEXT"`
	KafkaSASL     string      `env:"CRMHUB_KAFKA_SASL" default:"scram-sha-512" help:"plain, scram-sha-256 or scram-sha-512; used when there is a user." placeholder:"MECHANISM"`
	KafkaTLS      bool        `env:"CRMHUB_KAFKA_TLS" help:"Speak TLS to Kafka."`
	BrokerListen  string      `env:"CRMHUB_BROKER_LISTEN" default:"127.0.0.1:9092" help:"Address of the embedded broker." placeholder:"ADDR"`
	Listen        string      `env:"CRMHUB_LISTEN" default:"127.0.0.1:8080" help:"Address of API and console." placeholder:"ADDR"`
	PublicURL     string      `env:"CRMHUB_PUBLIC_URL" help:"Where browsers find API and console, such as https://crm.example.com; needed to sign in at an OpenID provider." placeholder:"URL"`
	Proxies       []string    `env:"CRMHUB_TRUSTED_PROXIES" name:"trusted-proxies" default:"127.0.0.1/32,::1/128" help:"Networks of the proxies before the hub, whose X-Forwarded-For says where a request comes from." placeholder:"LIST"`
	OIDCIssuer    string      `env:"CRMHUB_OIDC_ISSUER" name:"oidc-issuer" help:"OpenID provider to sign in at; nobody does when empty." placeholder:"URL"`
	OIDCClientID  string      `env:"CRMHUB_OIDC_CLIENT_ID" name:"oidc-client-id" help:"Who the hub is to the OpenID provider." placeholder:"ID"`
	OIDCSecret    secret.Text `env:"CRMHUB_OIDC_CLIENT_SECRET" name:"oidc-client-secret" help:"Its secret there; none for a public client." placeholder:"TEXT"`
	SMTPURL       secret.Text `env:"CRMHUB_SMTP_URL" name:"smtp-url" help:"Mail server, smtps://user:password@host:465 or smtp://host:587; no mails when empty." placeholder:"URL"`
	MailFrom      string      `env:"CRMHUB_MAIL_FROM" help:"Sender of mails." placeholder:"ADDR"`
	SecretKey     secret.Text `env:"CRMHUB_SECRET_KEY" help:"Key that seals connection secrets and second factors, 64 hex digits; one in the data directory when empty." placeholder:"HEX"`
	Connectors    string      `env:"CRMHUB_CONNECTORS" help:"Folder with connectors of your own, <name>/manifest.yaml; connectors in the data directory when empty." placeholder:"DIR"`
	Organization  string      `env:"CRMHUB_ORGANIZATION" default:"main" help:"Organization that commands act in." placeholder:"CODE"`
	BaseCurrency  string      `env:"CRMHUB_BASE_CURRENCY" default:"EUR" help:"What the books of the first organization are kept in; counts at the first start only." placeholder:"CODE"`
	LogLevelName  string      `env:"CRMHUB_LOG_LEVEL" name:"log-level" default:"info" help:"debug, info, warn or error." placeholder:"LEVEL"`
	LogFormat     string      `env:"CRMHUB_LOG_FORMAT" default:"text" help:"text or json." placeholder:"FORMAT"`

	LogLevel slog.Level     `kong:"-"` // what LogLevelName means
	trusted  []netip.Prefix // what Proxies means
}

// Validate reports every fault of the configuration at once, which is why kong's own checks, that stop at the first,
// are not used. Kong calls it after parsing.
func (c *Config) Validate() error {
	var faults []error
	hostPort := func(variable, addr string) {
		_, port, err := net.SplitHostPort(addr)
		if _, err2 := strconv.ParseUint(port, 10, 16); err != nil || err2 != nil {
			faults = append(faults, fmt.Errorf("%s: %q is not host:port", variable, addr))
		}
	}
	oneOf := func(variable, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			faults = append(faults, fmt.Errorf("%s: %q is none of %s", variable, value, strings.Join(allowed, ", ")))
		}
	}
	required := func(variable, value string) {
		if value == "" {
			faults = append(faults, fmt.Errorf("%s: empty", variable))
		}
	}
	required("CRMHUB_DATA_DIR", c.DataDir)
	if dir, err := filepath.Abs(c.DataDir); err == nil && c.DataDir != "" {
		c.DataDir = dir // the private server's programs are run elsewhere
	}
	if c.FilesDir == "" && c.DataDir != "" {
		c.FilesDir = filepath.Join(c.DataDir, "files")
	}
	if dir, err := filepath.Abs(c.FilesDir); err == nil && c.FilesDir != "" {
		c.FilesDir = dir
	}
	required("CRMHUB_ORGANIZATION", c.Organization)
	if _, err := money.Digits(c.BaseCurrency); err != nil {
		faults = append(faults, fmt.Errorf("CRMHUB_BASE_CURRENCY: %q is no ISO 4217 currency like EUR", c.BaseCurrency))
	}
	if at, err := os.Stat(c.Connectors); c.Connectors != "" && (err != nil || !at.IsDir()) {
		faults = append(faults, fmt.Errorf("CRMHUB_CONNECTORS: %q is no folder", c.Connectors))
	}
	hostPort("CRMHUB_LISTEN", c.Listen)
	hostPort("CRMHUB_BROKER_LISTEN", c.BrokerListen)
	for _, b := range c.KafkaBrokers {
		hostPort("CRMHUB_KAFKA_BROKERS", b)
	}
	c.trusted = nil
	for _, p := range c.Proxies {
		network, err := netip.ParsePrefix(p)
		if err != nil {
			faults = append(faults, fmt.Errorf("CRMHUB_TRUSTED_PROXIES: %q is no network like 10.0.0.0/8", p))
		}
		c.trusted = append(c.trusted, network)
	}
	webAddress := func(variable, value string) {
		if u, err := url.Parse(value); value != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
			faults = append(faults, fmt.Errorf("%s: %q is no address like https://crm.example.com", variable, value))
		}
	}
	webAddress("CRMHUB_PUBLIC_URL", c.PublicURL)
	webAddress("CRMHUB_OIDC_ISSUER", c.OIDCIssuer)
	if c.OIDCIssuer != "" || c.OIDCClientID != "" || !c.OIDCSecret.IsZero() {
		required("CRMHUB_OIDC_ISSUER", c.OIDCIssuer)
		required("CRMHUB_OIDC_CLIENT_ID", c.OIDCClientID)
		required("CRMHUB_PUBLIC_URL", c.PublicURL)
	}
	if _, err := c.mailer(); err != nil {
		faults = append(faults, err)
	}
	oneOf("CRMHUB_KAFKA_SASL", c.KafkaSASL, "plain", "scram-sha-256", "scram-sha-512")
	oneOf("CRMHUB_LOG_FORMAT", c.LogFormat, "text", "json")
	if err := c.LogLevel.UnmarshalText([]byte(c.LogLevelName)); err != nil {
		faults = append(faults, fmt.Errorf("CRMHUB_LOG_LEVEL: %q is none of debug, info, warn, error", c.LogLevelName))
	}
	if _, err := pgconn.ParseConfig(c.DatabaseURL.Reveal()); err != nil { // err would quote the password
		faults = append(faults, errors.New("CRMHUB_DATABASE_URL: not a PostgreSQL connection string, such as postgres://user:password@host/database"))
	}
	if c.KafkaUser == "" && !c.KafkaPassword.IsZero() {
		faults = append(faults, errors.New("CRMHUB_KAFKA_USER: missing, though a password is given"))
	}
	if !c.SecretKey.IsZero() {
		if _, err := keyBytes(c.SecretKey.Reveal()); err != nil {
			faults = append(faults, fmt.Errorf("CRMHUB_SECRET_KEY: %w", err))
		}
	}
	return errors.Join(faults...)
}

// connectorsDir is where connectors of one's own are.
func (c *Config) connectorsDir() string {
	if c.Connectors != "" {
		return c.Connectors
	}
	return filepath.Join(c.DataDir, "connectors")
}

// private reports whether the hub runs its own database, and embedded whether its own broker.
func (c *Config) private() bool  { return c.DatabaseURL.IsZero() }
func (c *Config) embedded() bool { return len(c.KafkaBrokers) == 0 }

func (c *Config) logger(w io.Writer) *slog.Logger {
	return telemetry.NewLogger(w, telemetry.Format(c.LogFormat), c.LogLevel)
}

func (c *Config) bus(brokers []string, logger *slog.Logger) bus.Config {
	b := bus.Config{Brokers: brokers, Logger: logger}
	if c.KafkaUser != "" {
		b.SASL = bus.SASL{Mechanism: c.KafkaSASL, User: c.KafkaUser, Password: c.KafkaPassword}
	}
	b.TLS = c.KafkaTLS
	return b
}

// openID returns the provider that people sign in at; nil if there is none.
func (c *Config) openID(key secret.Key) *openid.Provider {
	if c.OIDCIssuer == "" {
		return nil
	}
	return openid.New(openid.Config{
		Issuer: c.OIDCIssuer, ClientID: c.OIDCClientID, ClientSecret: c.OIDCSecret, Key: key,
		RedirectURL: strings.TrimSuffix(c.PublicURL, "/") + console.OpenIDCallback,
	})
}

// mailer returns where mails are handed in; nil if the hub sends none.
func (c *Config) mailer() (notify.Mailer, error) {
	if c.SMTPURL.IsZero() {
		return nil, nil //nolint:nilnil // there is none
	}
	server, err := mail.New(c.SMTPURL, c.MailFrom)
	if err != nil {
		return nil, fmt.Errorf("CRMHUB_SMTP_URL, CRMHUB_MAIL_FROM: %w", err)
	}
	return server, nil
}

// key returns the key that seals secrets: the configured one, else one made once and kept in the data directory.
func (c *Config) key() (secret.Key, error) {
	where, text := "CRMHUB_SECRET_KEY", c.SecretKey.Reveal()
	if text == "" {
		where = filepath.Join(c.DataDir, "secret.key")
		b, err := os.ReadFile(where)
		if errors.Is(err, os.ErrNotExist) {
			if err = makeKey(where); err == nil {
				b, err = os.ReadFile(where)
			}
		}
		if err != nil {
			return secret.Key{}, fmt.Errorf("sealing key: %w", err)
		}
		text = strings.TrimSpace(string(b))
	}
	b, err := keyBytes(text)
	if err != nil {
		return secret.Key{}, fmt.Errorf("sealing key in %s: %w", where, err)
	}
	return secret.NewKey(b)
}

// makeKey writes a key whole or not at all, and leaves one alone that another process was quicker to make: what a lost
// key has sealed stays sealed.
func makeKey(path string) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the private server's user must pass through
		return err
	}
	f, err := os.CreateTemp(dir, "secret-*") // nobody else can read it
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails (crypto/rand)
	_, err = f.WriteString(hex.EncodeToString(key))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

func keyBytes(text string) ([]byte, error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 32 {
		return nil, errors.New("it must be 64 hexadecimal digits")
	}
	return b, nil
}

// defaultDataDir is the user's data folder; root's is one that the private server's own user can reach.
func defaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/crmhub"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "crmhub")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "crmhub-data"
	}
	return filepath.Join(home, ".local", "share", "crmhub")
}
