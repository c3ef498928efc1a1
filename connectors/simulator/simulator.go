// Package simulator is an ERP and a finance system to talk to, for the demo and the fault tests. They are servers, not
// connectors: the hub reaches them as it reaches any other system, through the rest connector and the manifests erp.yaml
// and finance.yaml beside this file.
//
// They have ids, field names, units, states and paging of their own. An order the ERP took goes its way by itself:
// received, confirmed, shipped, invoiced; its invoice appears in the finance system, and some time later the payment.
//
// Promises: everything is in memory and goes with [Server.Close]; ids follow the order of creation; nothing waits for a
// clock unless [Config.Step] says so; what [Faults] do to an answer, [ERP.Snapshot] and [Finance.Snapshot] tell what was
// really stored. Not promised: any security beyond the API key. It listens on a loopback address.
package simulator

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"
)

// Config is how the two systems behave.
type Config struct {
	Addr    string           // to listen on; "127.0.0.1:0" if empty
	APIKey  string           // what requests must carry in the header X-Api-Key
	Step    time.Duration    // how often orders and invoices go a step further; 0: only by Tick
	Now     func() time.Time // time.Now if nil
	ERP     Faults           // of the ERP, until SetFaults
	Finance Faults           // of the finance system, until SetFaults
	Logger  *slog.Logger     // must not be nil
}

// Server is both systems behind one listener, each under a path of its own.
type Server struct {
	ERP     *ERP
	Finance *Finance

	url  string
	http *http.Server
	stop context.CancelFunc
	done sync.WaitGroup
}

// Start listens and answers until Close, or until ctx ends.
func Start(ctx context.Context, config Config) (*Server, error) {
	if config.APIKey == "" {
		return nil, errors.New("simulator: it needs an API key")
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", cmp.Or(config.Addr, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	s := &Server{url: "http://" + listener.Addr().String()}
	s.Finance = newFinance(config)
	s.ERP = newERP(config, s.Finance)

	ctx, s.stop = context.WithCancel(ctx)
	mux := http.NewServeMux()
	mux.Handle("/erp/", authenticated(config.APIKey, s.ERP.routes()))
	mux.Handle("/finance/", authenticated(config.APIKey, s.Finance.routes()))
	s.http = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(config.Logger.Handler(), slog.LevelDebug),
	}
	s.done.Go(func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			config.Logger.Error("simulator ended", "error", err)
		}
	})
	s.done.Go(func() { s.run(ctx, config.Step) })
	return s, nil
}

// run ticks until ctx ends, and takes the listener along then.
func (s *Server) run(ctx context.Context, step time.Duration) {
	var ticks <-chan time.Time
	if step > 0 {
		ticker := time.NewTicker(step)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			_ = s.http.Close() // the callers' connections break, as when a system is switched off
			return
		case <-ticks:
			s.Tick()
		}
	}
}

// Close breaks all connections, those of hanging requests too, and waits until nothing runs any more.
func (s *Server) Close() error {
	s.stop()
	s.done.Wait()
	return nil
}

// ERPURL is where the ERP's API begins.
func (s *Server) ERPURL() string { return s.url + "/erp/v2" }

// FinanceURL is where the finance system's API begins.
func (s *Server) FinanceURL() string { return s.url + "/finance/api" }

// Tick lets every order and every invoice that is not at its end go one step further.
func (s *Server) Tick() {
	s.Finance.tick()
	s.ERP.tick()
}

func authenticated(key string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Api-Key")), []byte(key)) != 1 {
			refuse(http.StatusUnauthorized, "BAD_KEY", "", "the API key is missing or wrong").write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// answer is what a handler says; it is written only after the faults had their turn.
type answer struct {
	status int
	header http.Header
	body   any
	list   bool // a page of a list
}

// handler is one call of an API. It has done its work when it returns.
type handler func(r *http.Request) answer

func (a answer) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	body, err := json.Marshal(a.body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // a caller that went away is its own affair
}

// problem is how both systems say no.
type problem struct {
	Error struct {
		Code  string `json:"code"`
		Field string `json:"field,omitempty"`
		Text  string `json:"text"`
	} `json:"error"`
}

func refuse(status int, code, field, text string) answer {
	var p problem
	p.Error.Code, p.Error.Field, p.Error.Text = code, field, text
	return answer{status: status, body: p}
}

// decode reads a request's body into v; unknown fields are refused, as strict systems do.
func decode(r *http.Request, v any) *answer {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		a := refuse(http.StatusBadRequest, "BAD_JSON", "", err.Error())
		return &a
	}
	return nil
}
