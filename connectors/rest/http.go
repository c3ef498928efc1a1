package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	maxRetries = 3
	minWait    = 200 * time.Millisecond
	maxWait    = 5 * time.Second // a longer Retry-After is the engine's to wait for
)

// attempts is what the retry policy has to know about a call, and what it learns. It travels in the request's context.
type attempts struct {
	repeatable bool
	doubtful   bool           // an attempt before the last may have been acted on
	waiting    bool           // between two attempts
	turnedAway *http.Response // the last attempt met a 429
}

type attemptsKey struct{}

func attemptsOf(ctx context.Context) *attempts {
	a, ok := ctx.Value(attemptsKey{}).(*attempts)
	if !ok {
		return &attempts{}
	}
	return a
}

func newClient(l limits, cookies bool, before func(*http.Request) error) (*retryablehttp.Client, error) {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        l.concurrency,
		MaxIdleConnsPerHost: l.concurrency,
		IdleConnTimeout:     90 * time.Second,
	}
	inner := &http.Client{Transport: transport, Timeout: l.timeout, CheckRedirect: checkRedirect}
	if cookies {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return nil, err
		}
		inner.Jar = jar
	}
	return &retryablehttp.Client{
		HTTPClient: inner, RetryMax: maxRetries, RetryWaitMin: minWait, RetryWaitMax: maxWait,
		CheckRetry: checkRetry, Backoff: backoff, ErrorHandler: retryablehttp.PassthroughErrorHandler,
		PrepareRetry: before,
		Logger:       nil, // its lines have addresses, and those may carry keys
	}, nil
}

// checkRedirect follows only what stays on the host: credentials go nowhere else. A write is not redirected at all.
func checkRedirect(r *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > 5 || first.Method != http.MethodGet || r.URL.Host != first.URL.Host || r.URL.Scheme != first.URL.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}

// checkRetry decides whether a call is tried again here: if it is repeatable, if it certainly never left, or if the remote turned it away unread (429).
func checkRetry(ctx context.Context, r *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, nil //nolint:nilerr // the client reports the attempt's own error
	}
	a := attemptsOf(ctx)
	a.turnedAway = nil
	switch {
	case err != nil && neverSent(err):
		a.waiting = !isCertificate(err)
	case err != nil:
		a.waiting = a.repeatable
		a.doubtful = a.doubtful || a.repeatable
	case r.StatusCode == http.StatusTooManyRequests:
		a.waiting, a.turnedAway = soon(r), r
	case r.StatusCode >= 500 && r.StatusCode != http.StatusNotImplemented:
		a.waiting = a.repeatable && soon(r)
		a.doubtful = a.doubtful || a.waiting
	default:
		a.waiting = false
	}
	return a.waiting, nil
}

// soon reports whether the remote wants to be asked again within the time that is waited here.
func soon(r *http.Response) bool {
	wait, _ := retryAfter(r.Header)
	return wait <= maxWait
}

func backoff(least, most time.Duration, attempt int, r *http.Response) time.Duration {
	if r != nil {
		if wait, ok := retryAfter(r.Header); ok {
			return min(wait, most)
		}
	}
	wait := min(least<<min(attempt, 10), most)
	return wait/2 + rand.N(wait/2+1) //nolint:gosec // jitter is no secret
}

// neverSent reports whether the connection did not come about.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" || isCertificate(err)
}

func isCertificate(err error) bool {
	var e *tls.CertificateVerificationError
	return errors.As(err, &e)
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout() || errors.Is(err, context.DeadlineExceeded)
}
