//go:build system

package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// These measure the whole program, as `crmhub serve` runs it, on a real Kafka. deploy/bench.sh runs them.

// instantERP takes every party and answers at once.
type instantERP struct {
	*httptest.Server
	got      atomic.Int64
	received sync.Map // code → time.Time
	bodies   chan []byte
}

func startInstantERP(b *testing.B) *instantERP {
	b.Helper()
	e := &instantERP{bodies: make(chan []byte, 1)}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		var party struct {
			Ref string `json:"external_ref"`
		}
		body, err := io.ReadAll(r.Body)
		if err == nil && len(body) > 0 {
			err = json.Unmarshal(body, &party)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"data": []}`)
			return
		}
		e.received.Store(party.Ref, now)
		answer := append(bytes.TrimSuffix(bytes.TrimSpace(body), []byte("}")), fmt.Sprintf(`, "party_no": "K%d", "rev": 1}`, e.got.Add(1))...)
		_, _ = w.Write(answer)
		select {
		case e.bodies <- body:
		default:
		}
	}))
	b.Cleanup(e.Close)
	return e
}

// loaded is a hub on a real Kafka whose customers go to an ERP that answers at once.
type loaded struct {
	*hub
	b     *testing.B
	kafka *realKafka
	erp   *instantERP
}

// newLoaded returns when a first customer has arrived in the ERP.
func newLoaded(b *testing.B) *loaded {
	b.Helper()
	broker := startKafka(b)
	l := &loaded{b: b, kafka: broker, erp: startInstantERP(b), hub: newHub(b, "CRMHUB_KAFKA_BROKERS="+broker.addr)}
	l.start()
	l.command("connection", "add", "simulator-erp", "erp", "--set", "url="+l.erp.URL, "--secret", "api_key="+apiKey, "--every", "24h")
	l.commit(1, "first")
	l.arrived(1)
	return l
}

// commit imports so many customers, and returns when they are committed.
func (l *loaded) commit(n int, prefix string) {
	l.t.Helper()
	in, out := io.Pipe()
	go func() {
		w := bufio.NewWriterSize(out, 1<<16)
		for i := range n {
			_, _ = fmt.Fprintf(w, `{"code": "%s-%d", "name": "Customer %d of %s", "kind": "company", "lifecycle": "customer", "currency": "EUR",`+
				` "addresses": [{"kind": "bill", "street": "Main 1", "city": "Graz", "postcode": "8010", "country": "AT"}]}`+"\n", prefix, i, i, prefix)
		}
		_ = out.CloseWithError(w.Flush())
	}()
	cmd := exec.Command(program, "import", "customer", "-")
	cmd.Env, cmd.Stdin, cmd.Stderr = l.env, in, l.log
	if err := cmd.Run(); err != nil {
		l.t.Fatal("import: ", err)
	}
}

func (l *loaded) arrived(n int) {
	l.t.Helper()
	l.eventually(30*time.Minute, "they are in the ERP", func() error {
		if got := l.erp.got.Load(); got < int64(n) {
			return fmt.Errorf("%d of %d", got, n)
		}
		return nil
	})
}

// linked waits until the hub has said of so many that they are linked.
func (l *loaded) linked(n int) {
	l.t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; <-time.After(50 * time.Millisecond) {
		got := l.metric(`crmhub_push_records_total{connection="erp",entity="customer",outcome="linked"}`)
		if int(got) >= n {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("%.0f of %d are linked", got, n)
		}
	}
}

// metric reads one of the hub's metrics; it is 0 as long as there is none.
func (l *loaded) metric(name string) float64 {
	l.t.Helper()
	r, err := client.Get("http://" + l.addr + "/metrics")
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	lines := bufio.NewScanner(r.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				l.t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// hold stops the hub's process, its database not, until the function it returns is called.
func (l *loaded) hold() (goOn func()) {
	l.t.Helper()
	signal := func(s syscall.Signal) {
		if err := l.cmd.Process.Signal(s); err != nil {
			l.t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	return func() { signal(syscall.SIGCONT) }
}

// BenchmarkPush pushes 20,000 customers that are committed already: from the outbox over Kafka to the ERP. It measures
// from the first that leaves until the last is linked, and what each party takes of the processors meanwhile. It does so
// twice: for a first load, when tables are empty and Kafka's JVM has yet to compile itself, and for the next. The floor is
// Go's HTTP client sending as many bodies like theirs to the same server, four at a time as the manifest allows.
func BenchmarkPush(b *testing.B) {
	const n = 20_000
	for range b.N {
		l := newLoaded(b)
		<-l.erp.bodies
		first, _, _ := l.push(n, 1, "a")
		b.ReportMetric(n/first.Seconds(), "first-changes/s")
		pushed, took, body := l.push(n, 1+n, "b")
		b.ReportMetric(n/pushed.Seconds(), "changes/s")
		for party, d := range took {
			b.ReportMetric(float64(d.Microseconds())/n, party+"-us/change")
		}
		if got := l.erp.got.Load(); got != 1+2*n {
			b.Errorf("the ERP got %d", got)
		}
		began := time.Now()
		l.erp.flood(b, n, body)
		b.ReportMetric(n/time.Since(began).Seconds(), "bare/s")
		l.stop()
	}
}

// push commits n customers while the hub stands still, then lets it go on until they are linked as those before are. It
// returns how long that took, the processor time of each party, and what was sent of one.
func (l *loaded) push(n, before int, prefix string) (pushed time.Duration, took map[string]time.Duration, body []byte) {
	l.t.Helper()
	goOn := l.hold()
	l.commit(n, prefix)
	select {
	case <-l.erp.bodies: // of those before
	default:
	}
	spent := l.spent()
	goOn()
	body = <-l.erp.bodies
	began := time.Now()
	l.linked(before + n)
	pushed = time.Since(began)
	took = l.spent()
	for party := range took {
		took[party] -= spent[party]
	}
	return pushed, took, body
}

// flood sends a body n times.
func (e *instantERP) flood(b *testing.B, n int, body []byte) {
	b.Helper()
	var wg sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	defer client.CloseIdleConnections()
	for range 4 {
		wg.Go(func() {
			for range n / 4 {
				r, err := client.Post(e.URL+"/parties", "application/json", bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				_ = r.Body.Close()
			}
		})
	}
	wg.Wait()
}

// BenchmarkLatency commits 200 customers a second through the API for 35 seconds, and measures those of the last 20, when
// the new Kafka's JVM has compiled itself: from each answer, which the commit precedes, to the ERP's receipt; and from
// each request too, which nobody can call late. The floor is kafka-go carrying messages at the same pace from a writer to
// a reader that waits.
func BenchmarkLatency(b *testing.B) {
	const rate, warm, n = 200, 200 * 15, 200 * 35
	for range b.N {
		l := newLoaded(b)
		asked, answered := make([]time.Time, n), make([]time.Time, n)
		var wg sync.WaitGroup
		tick := time.NewTicker(time.Second / rate)
		for i := range n {
			<-tick.C
			wg.Go(func() {
				asked[i] = time.Now()
				_, err := l.call(http.MethodPost, "/customers", map[string]any{"code": fmt.Sprint("l-", i), "name": "Somebody", "currency": "EUR"}, nil)
				answered[i] = time.Now()
				if err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
		tick.Stop()
		if b.Failed() {
			b.FailNow()
		}
		l.arrived(n + 1)
		var sinceAnswer, sinceRequest []time.Duration
		for i := warm; i < n; i++ {
			at, ok := l.erp.received.Load(fmt.Sprint("l-", i))
			if !ok {
				b.Fatalf("l-%d did not arrive", i)
			}
			received := at.(time.Time) //nolint:forcetypeassert // stored above
			sinceAnswer = append(sinceAnswer, max(0, received.Sub(answered[i])))
			sinceRequest = append(sinceRequest, received.Sub(asked[i]))
		}
		report(b, "", sinceAnswer)
		report(b, "request-", sinceRequest)
		l.stop()
		report(b, "bare-", carry(b, l.kafka.addr, n, rate)[warm:])
	}
}

func report(b *testing.B, prefix string, late []time.Duration) {
	b.Helper()
	slices.Sort(late)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(late[len(late)*p/100].Microseconds())/1000, fmt.Sprintf("%sp%d-ms", prefix, p))
	}
}

// carry sends n messages through Kafka, so many a second, and returns how long each was under way.
func carry(b *testing.B, addr string, n, rate int) []time.Duration {
	b.Helper()
	topic := fmt.Sprint("bare-", time.Now().UnixNano())
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(addr), Transport: transport}
	if _, err := client.CreateTopics(b.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}}}); err != nil {
		b.Fatal(err)
	}
	w := &kafka.Writer{
		Addr: kafka.TCP(addr), Transport: transport, Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond,
		MaxAttempts: 100,
	}
	defer func() { _ = w.Close() }()
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{addr}, Topic: topic, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond})
	defer func() { _ = r.Close() }()
	late := make([]time.Duration, n)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range n {
			m, err := r.ReadMessage(b.Context())
			if err != nil {
				b.Error(err)
				return
			}
			sent, err := strconv.ParseInt(string(m.Value), 10, 64)
			if err != nil {
				b.Error(err)
			}
			late[i] = time.Since(time.Unix(0, sent))
		}
	})
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for range n {
		<-tick.C
		wg.Go(func() {
			if err := w.WriteMessages(b.Context(), kafka.Message{Value: strconv.AppendInt(nil, time.Now().UnixNano(), 10)}); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	return late
}

// BenchmarkMemory measures the resident memory of a hub that has nothing to do, and while CRMHUB_BENCH_CHANGES (1,000,000)
// changes pass.
func BenchmarkMemory(b *testing.B) {
	n := number(b, "CRMHUB_BENCH_CHANGES", 1_000_000)
	for range b.N {
		l := newLoaded(b)
		<-time.After(10 * time.Second)
		b.ReportMetric(l.resident(), "idle-MiB")
		highest := 0.0
		for part := 1; part <= 10; part++ {
			l.commit(n/10, fmt.Sprint("m", part))
			l.arrived(1 + n/10*part)
			rss := l.resident()
			highest = max(highest, rss)
			b.Logf("%d changes: %.0f MiB", n/10*part, rss)
			switch part {
			case 1, 5, 10:
				b.ReportMetric(rss, fmt.Sprintf("after-%d%%-MiB", 10*part))
			}
		}
		b.ReportMetric(highest, "highest-MiB")
		l.stop()
	}
}

// resident is the resident memory of the hub's process, in MiB.
func (l *loaded) resident() float64 {
	l.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.cmd.Process.Pid))
	if err != nil {
		l.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(text)[0], 64)
			if err != nil {
				l.t.Fatal(err)
			}
			return kb / 1024
		}
	}
	l.t.Fatal("no VmRSS")
	return 0
}
