package main

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestAddressIsTheOneATrustedProxySaw(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")}
	for name, tc := range map[string]struct {
		peer string
		from []string
		want string
	}{
		"no proxy":                    {"192.0.2.1:5", nil, "192.0.2.1:5"},
		"a proxy nobody trusts":       {"192.0.2.1:5", []string{"192.0.2.9"}, "192.0.2.1:5"},
		"one proxy":                   {"127.0.0.1:5", []string{"192.0.2.9"}, "192.0.2.9:0"},
		"one over IPv6":               {"[::ffff:127.0.0.1]:5", []string{"2001:db8::1"}, "[2001:db8::1]:0"},
		"two proxies":                 {"127.0.0.1:5", []string{"192.0.2.9, 10.1.2.3"}, "192.0.2.9:0"},
		"in two headers":              {"127.0.0.1:5", []string{"192.0.2.9", "10.1.2.3"}, "192.0.2.9:0"},
		"what the browser made up":    {"127.0.0.1:5", []string{"203.0.113.7, 192.0.2.9"}, "192.0.2.9:0"},
		"nonsense":                    {"127.0.0.1:5", []string{"unknown"}, "127.0.0.1:5"},
		"made up before nonsense":     {"127.0.0.1:5", []string{"203.0.113.7, unknown"}, "127.0.0.1:5"},
		"a proxy that says nothing":   {"127.0.0.1:5", nil, "127.0.0.1:5"},
		"a machine within the trust":  {"127.0.0.1:5", []string{"10.1.2.3"}, "127.0.0.1:5"},
		"no address of the transport": {"@", []string{"192.0.2.9"}, "@"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = tc.peer
		r.Header["X-Forwarded-For"] = tc.from
		got := ""
		forwarded(trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })).ServeHTTP(httptest.NewRecorder(), r)
		if got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}
