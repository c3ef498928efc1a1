package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"crmhub/core/secret"
	"crmhub/core/signature"
)

// answer is what came of an attempt.
type answer struct {
	status int           // 0: there was none
	after  time.Duration // how long the receiver asks to wait; 0 if it does not
	err    error         // why there is no answer, or what went wrong here
}

// text is why the attempt failed, for people; "" if it did not.
func (a answer) text() string {
	switch {
	case a.err != nil:
		return a.err.Error()
	case a.status/100 == 2:
		return ""
	}
	return http.StatusText(a.status)
}

func (s *Sender) attempt(ctx context.Context, d due, at time.Time) answer {
	if address, isMail := strings.CutPrefix(d.target, mailScheme); isMail {
		return s.mail(ctx, address, d)
	}
	secrets, err := s.Key.Open(d.subscription.String(), d.sealed)
	if err != nil {
		return answer{err: errors.New("the secret cannot be opened: the hub has another key than when it was made; rotate it")}
	}
	signers := []secret.Text{secrets[current]}
	if d.secretEndsAt != nil && at.Before(*d.secretEndsAt) {
		signers = append(signers, secrets[previous])
	}
	return s.post.post(ctx, d.target, d.event.String(), at, []byte(d.body), signers)
}

// mail says what happened, not to whom: mails lie around.
func (s *Sender) mail(ctx context.Context, address string, d due) answer {
	if s.Mailer == nil {
		return answer{err: errors.New("this hub sends no mail: CRMHUB_SMTP_URL is not set")}
	}
	if err := s.Mailer.Send(ctx, address, d.summary, d.summary+"\n\n"+d.kind+" "+d.event.String()+"\n"); err != nil {
		return answer{err: err}
	}
	return answer{status: http.StatusOK}
}

// poster sends webhooks.
type poster struct {
	client    *http.Client
	userAgent string
}

func newPoster(userAgent string) *poster {
	return &poster{
		userAgent: userAgent,
		client: &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
				TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: attemptLimit, MaxIdleConnsPerHost: perReceiver, IdleConnTimeout: time.Minute,
				ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10,
			},
			// Where it was sent is where it is meant to go.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (p *poster) post(ctx context.Context, target, id string, at time.Time, body []byte, secrets []secret.Text) answer {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(string(body)))
	if err != nil {
		return answer{err: errors.New("the address cannot be used")}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", p.userAgent)
	if err := signature.Sign(r.Header, id, at, body, secrets...); err != nil {
		return answer{err: err}
	}
	response, err := p.client.Do(r)
	if err != nil {
		return answer{err: reason(err)}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection can be used again
	_ = response.Body.Close()
	return answer{status: response.StatusCode, after: retryAfter(response.Header.Get("Retry-After"))}
}

// reason is why there was no answer. The address stays out: it may be secret itself.
func reason(err error) error {
	var network *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s", attemptLimit)
	case errors.As(err, &network):
		return fmt.Errorf("%s: %w", network.Op, network.Err)
	}
	return errors.Unwrap(err) // of *url.Error, which says the address
}

// retryAfter reads seconds; a date is as good as nothing said.
func retryAfter(header string) time.Duration {
	seconds, err := strconv.Atoi(header)
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, 24*time.Hour)
}

// schedule is the time before each further attempt: three days in all, as Standard Webhooks recommends.
var schedule = []time.Duration{ //nolint:gochecknoglobals // a table
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// outcome is what an attempt means for its delivery and subscription.
type outcome struct {
	status  DeliveryStatus
	next    time.Time
	disable string // why the subscription is disabled, if the receiver is gone or fails for long; "" if it is not
	gone    bool   // it said so itself
}

func (o outcome) name() string {
	if o.status == Pending {
		return "retried"
	}
	return string(o.status)
}

// judge decides: any 2xx is a delivery, 410 ends the subscription, everything else is tried again while there is time.
func judge(d due, a answer, now time.Time) outcome {
	switch {
	case a.err == nil && a.status/100 == 2:
		return outcome{status: Delivered, next: now}
	case a.status == http.StatusGone:
		return outcome{status: Failed, next: now, disable: "the receiver answered 410 Gone", gone: true}
	case d.tries >= len(schedule):
		return outcome{status: Failed, next: now, disable: "every attempt failed for days"}
	}
	wait := schedule[d.tries]
	wait += time.Duration(rand.Int64N(int64(wait) / 10)) //nolint:gosec // so that not all come back at once
	return outcome{status: Pending, next: now.Add(max(wait, a.after))}
}
