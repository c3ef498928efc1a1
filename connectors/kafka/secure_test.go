package kafka_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"crmhub/connectors/kafka"
	"crmhub/core/bus/bustest"
	"crmhub/core/connector"
	"crmhub/core/secret"
)

// secured is a broker that lets in who trusts its certificate and knows the password of the user hub.
type secured struct {
	addr, ca, password string
}

// startSecured returns the one in CRMHUB_TEST_KAFKA_SECURED, the directory of a deploy/kafka.sh, or one of the test's own.
func startSecured(t *testing.T) secured {
	t.Helper()
	if dir := bustest.Secured(); dir != "" {
		read := func(name string) string {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(string(b))
		}
		return secured{read("secured"), read("ca.pem"), read("password")}
	}
	ca := newAuthority(t)
	fake, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.TLS(&tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{ca.sign(t)}}), kfake.EnableSASL(),
		kfake.Superuser("PLAIN", "hub", "right"), kfake.Superuser("SCRAM-SHA-256", "hub", "right"), kfake.Superuser("SCRAM-SHA-512", "hub", "right"),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return secured{fake.ListenAddrs()[0], ca.pem(), "right"}
}

func TestWhoIsNotLetInIsToldWhyAndWhatToDo(t *testing.T) {
	t.Parallel()
	b := startSecured(t)
	good := map[string]any{"brokers": b.addr, "tls": true, "ca": b.ca, "sasl": "scram-sha-512", "user": "hub"}
	for name, tc := range map[string]struct {
		change   map[string]any // nil values are left out
		password string
		class    connector.Class // "" is let in
		message  string
		remedy   string
	}{
		"scram-sha-512":   {nil, b.password, "", "", ""},
		"scram-sha-256":   {map[string]any{"sasl": "scram-sha-256"}, b.password, "", "", ""},
		"plain":           {map[string]any{"sasl": "plain"}, b.password, "", "", ""},
		"server name":     {map[string]any{"server_name": "127.0.0.1"}, b.password, "", "", ""},
		"wrong password":  {nil, "wrong-password-4711", connector.ClassAuth, "", "Correct sasl, user and password"},
		"wrong user":      {map[string]any{"user": "nobody"}, b.password, connector.ClassAuth, "", "Correct sasl, user and password"},
		"untrusted":       {map[string]any{"ca": nil}, b.password, connector.ClassConfig, "nobody trusted signed", "Set ca"},
		"other authority": {map[string]any{"ca": newAuthority(t).pem()}, b.password, connector.ClassConfig, "nobody trusted signed", "Set ca"},
		"other name":      {map[string]any{"server_name": "kafka.example"}, b.password, connector.ClassConfig, "another name", "server_name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{TB: t, code: "secured", config: maps.Clone(good), secrets: map[string]secret.Text{"password": secret.New(tc.password)}}
			maps.Copy(w.config, tc.change)
			maps.DeleteFunc(w.config, func(_ string, v any) bool { return v == nil })
			s := w.connect(t)
			began := time.Now()
			err := s.Check(t.Context())
			took := time.Since(began)
			if tc.class == "" {
				if err != nil {
					t.Fatal(err)
				}
				push(t, s, create("SO-1", 1))
				if r, err := s.Get(t.Context(), "order", "SO-1"); r == nil || err != nil {
					t.Errorf("what was written is not there: %v", err)
				}
				return
			}
			e := new(connector.Error)
			if !errors.As(err, &e) || e.Class != tc.class || !strings.Contains(e.Message, tc.message) || !strings.Contains(e.Remedy, tc.remedy) {
				t.Errorf("%+v", err)
			}
			if err != nil && strings.Contains(err.Error(), tc.password) {
				t.Error("the error tells the password")
			}
			if took > 20*time.Second { // a retry now and then; it must not take minutes
				t.Errorf("it took %v", took)
			}
			if _, err := s.Push(t.Context(), "order", []connector.Write{create("SO-2", 1)}); connector.AsError(err).Class != tc.class {
				t.Errorf("a write says %v", err)
			}
			if _, err := s.Pull(t.Context(), connector.PullRequest{Stream: "order", Limit: 1}); connector.AsError(err).Class != tc.class {
				t.Errorf("a pull says %v", err)
			}
		})
	}
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(ca.certificate)
	w := newWorld(t, kfake.TLS(&tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{ca.sign(t)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}))
	w.config["tls"], w.config["ca"] = true, ca.pem()
	if e := connector.AsError(w.connect(t).Check(t.Context())); e.Class != connector.ClassAuth || !strings.Contains(e.Remedy, "certificate and key") {
		t.Errorf("without one: %+v", e)
	}
	certificate, key := encodePair(t, ca.sign(t))
	w.config["certificate"], w.secrets = certificate, map[string]secret.Text{"key": secret.New(key)}
	if err := w.connect(t).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSettingsThatContradictThemselvesAreRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		config map[string]any
		says   string
	}{
		"certificates in the clear": {map[string]any{"ca": "x"}, "switch tls on"},
		"no PEM":                    {map[string]any{"tls": true, "ca": "x"}, "ca holds no certificate"},
		"no pair":                   {map[string]any{"tls": true, "certificate": "x"}, "no pair"},
		"no user":                   {map[string]any{"sasl": "plain"}, "needs user and password"},
	} {
		tc.config["brokers"] = "127.0.0.1:9092"
		_, err := kafka.Connector().Open(connector.Options{Connection: "erp", Config: tc.config, Logger: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// authority signs certificates for 127.0.0.1.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{certificate, key}
}

func (a authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw}))
}

func (a authority) sign(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "hub"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func encodePair(t *testing.T, c tls.Certificate) (certificate, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
