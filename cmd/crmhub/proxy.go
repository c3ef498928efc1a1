package main

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forwarded gives a request that came through trusted proxies the address that it came to them from, as the last of them
// that is believed wrote into X-Forwarded-For. What stands further left anybody could have written.
func forwarded(trusted []netip.Prefix, next http.Handler) http.Handler {
	believed := func(a netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !believed(peer.Addr().Unmap()) {
			next.ServeHTTP(w, r)
			return
		}
		from := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for _, text := range slices.Backward(from) {
			a, err := netip.ParseAddr(strings.TrimSpace(text))
			if err != nil {
				break
			}
			if a = a.Unmap(); !believed(a) {
				came := *r
				came.RemoteAddr = net.JoinHostPort(a.String(), "0")
				r = &came
				break
			}
		}
		next.ServeHTTP(w, r)
	})
}
