package receiver_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bridgewatch/bridgewatch/cdr/receiver"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// BenchmarkPosts measures posts that are answered after a synced write, over as many connections as bridges, each with one request in flight, against the
// same client and server with a handler that only reads the body. The embedded broker keeps its streams in the temporary folder (TMPDIR): where
// that is memory, the figures say nothing about disks.
func BenchmarkPosts(b *testing.B) {
	for _, c := range []struct{ conns, records int }{{1, 1}, {4, 1}, {24, 1}, {4, 100}, {24, 100}} {
		body := recordsBody(c.records)
		b.Run(fmt.Sprintf("empty/conns=%d/records=%d", c.conns, c.records), func(b *testing.B) {
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				io.Copy(io.Discard, req.Body)
				w.Header().Set("Content-Length", "0")
			})}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			go server.Serve(l)
			defer server.Close()
			postAll(b, l.Addr().String(), c.conns, c.records, body)
		})
		b.Run(fmt.Sprintf("stored/conns=%d/records=%d", c.conns, c.records), func(b *testing.B) {
			url := serve(b, receiver.Deps{Bus: storagetest.Bus(b), Log: slog.New(slog.DiscardHandler)})
			postAll(b, strings.TrimPrefix(url, "http://"), c.conns, c.records, body)
			b.ReportMetric(float64(residentBytes(b))/(1<<20), "resident-MiB")
		})
	}
}

// recordsBody is a body of n records of ordinary size.
func recordsBody(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0"?><records session="0d1f9a4e-22ac-4a53-9df1-6a3b6f1c1f01" callBridge="f2a1c1de-0000-4000-8000-000000000001">`)
	for i := range n {
		fmt.Fprintf(&b, `<record type="callLegUpdate" time="2026-08-03T10:00:00Z" recordIndex="%d" correlatorIndex="%d">`+"\n", i+1, i)
		b.WriteString(`<callLeg id="8a1f5c7e-55aa-4c1f-8d5b-1b2c3d4e5f60"><state>connected</state><call>2b3c4d5e-6f70-4182-93a4-b5c6d7e8f901</call>`)
		b.WriteString(`<remoteAddress>someone@example.org</remoteAddress><sipCallId>` + strings.Repeat("a", 400) + `</sipCallId></callLeg>` + "\n</record>\n")
	}
	b.WriteString("</records>")
	return b.Bytes()
}

// postAll spreads b.N posts over connections. It speaks HTTP by hand: net/http's client would cost more than what is measured.
func postAll(b *testing.B, addr string, conns, records int, body []byte) {
	request := append([]byte("POST /cdr/"+token1+" HTTP/1.1\r\nHost: bench\r\nContent-Type: text/xml\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"), body...)
	var open []net.Conn
	for range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		open = append(open, c)
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	b.SetBytes(int64(len(body)))
	b.ResetTimer()
	start := time.Now()
	var wg sync.WaitGroup
	for _, c := range open {
		wg.Go(func() {
			in := bufio.NewReader(c)
			for left.Add(-1) >= 0 {
				if _, err := c.Write(request); err != nil {
					b.Error(err)
					return
				}
				resp, err := http.ReadResponse(in, nil)
				if err != nil || resp.StatusCode != 200 {
					b.Errorf("answer %v, %v", resp, err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	rate := float64(b.N) / time.Since(start).Seconds()
	b.ReportMetric(rate, "posts/s")
	b.ReportMetric(rate*float64(records), "records/s")
	b.ReportMetric(0, "ns/op")
}

// residentBytes is what the kernel counts as resident for this process, from /proc.
func residentBytes(tb testing.TB) int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		tb.Skipf("resident memory is not known here: %v", err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(data))[1], 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
