package writer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/bridgewatch/bridgewatch/cdr/receiver"
	"github.com/bridgewatch/bridgewatch/storage"
	"github.com/bridgewatch/bridgewatch/storage/bus"
	"github.com/bridgewatch/bridgewatch/storage/storagetest"
)

// legRecords are the three records of one leg's life within a call.
func legRecords(index int, call uuid.UUID) []string {
	id := uuid.NewString()
	return []string{
		record(index, "callLegStart", "09:14:02", `<callLeg id="`+id+`"><remoteParty>kaja.lindqvist@meet.example.net</remoteParty><displayName>Kaja Lindqvist</displayName><type>sip</type><direction>incoming</direction><call>`+call.String()+`</call><sipCallId>`+uuid.NewString()+`</sipCallId></callLeg>`),
		record(index+1, "callLegUpdate", "09:14:03", `<callLeg id="`+id+`"><state>connected</state><call>`+call.String()+`</call><deactivated>false</deactivated><displayName>Kaja Lindqvist</displayName></callLeg>`),
		record(index+2, "callLegEnd", "09:44:03", `<callLeg id="`+id+`"><reason>remoteTeardown</reason><remoteTeardown>true</remoteTeardown><durationSeconds>1801</durationSeconds><activatedDuration>1800</activatedDuration><mediaUsagePercentages><mainVideoViewer>97.1</mainVideoViewer></mediaUsagePercentages><rxAudio><codec>g722</codec></rxAudio><txAudio><codec>aac</codec></txAudio><rxVideo><codec>h264</codec><maxSizeWidth>1920</maxSizeWidth><maxSizeHeight>1080</maxSizeHeight></rxVideo></callLeg>`),
	}
}

// BenchmarkBacklog writes a backlog as after an outage, all its rows in all tables: bodies of 100 records, a call and its legs each, as a bridge sends them that
// was itself kept waiting; bodies of one record, a message each, as when only the store was away; and these without the starts of the calls, so that each has to be asked for.
func BenchmarkBacklog(b *testing.B) {
	const calls, legs = 600, 33
	for _, bench := range []struct {
		name    string
		perBody int
		starts  bool
	}{{"bodies of 100", 1 + 3*legs, true}, {"bodies of 1", 1, true}, {"no starts", 1, false}} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				conn, broker := storagetest.Store(b), storagetest.Bus(b)
				var list []string
				for range calls {
					call := uuid.New()
					if bench.starts {
						list = append(list, record(len(list), "callStart", "09:14:02", `<call id="`+call.String()+`"><name>Hafen</name><callType>coSpace</callType></call>`))
					}
					for range legs {
						list = append(list, legRecords(len(list), call)...)
					}
				}
				for part := range slices.Chunk(list, bench.perBody) {
					if err := broker.PublishBody(b.Context(), body(records(strings.Join(part, "")))); err != nil {
						b.Fatal(err)
					}
				}
				b.StartTimer()
				took, rows := writeBacklog(b, conn, broker)
				b.ReportMetric(float64(len(list))/took.Seconds(), "records/s")
				b.ReportMetric(float64(rows)/took.Seconds(), "rows/s")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// writeBacklog runs a writer until the bus is empty. It tells how long that took and how many rows there are.
func writeBacklog(b *testing.B, conn driver.Conn, broker *bus.Bus) (took time.Duration, rows uint64) {
	w := New(DefaultConfig(), Deps{Bus: broker, Store: conn, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	began := time.Now()
	go func() { done <- w.Run(ctx) }()
	for {
		stats, err := broker.Stats(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if stats[bus.CDR].Messages == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	took = time.Since(began)
	b.StopTimer()
	cancel()
	<-done
	for _, t := range []storage.Table{storage.Bodies, storage.Records, storage.CallFacts, storage.LegFacts, storage.SessionFacts} {
		var n uint64
		if err := conn.QueryRow(b.Context(), "SELECT count() FROM "+t.Name).Scan(&n); err != nil {
			b.Fatal(err)
		}
		rows += n
	}
	b.StartTimer()
	return took, rows
}

// BenchmarkRawInsert is the engine without us: the same records as one batch into the records table.
func BenchmarkRawInsert(b *testing.B) {
	conn := storagetest.Store(b)
	const rows = 60000
	row := storage.Record{Session: uuid.New(), Type: "callLegStart", Time: time.Now(), Received: time.Now(), Source: "cb1", Cluster: "emea", XML: strings.Join(legRecords(0, uuid.New()), "")[:500]}
	began := time.Now()
	total := 0
	for b.Loop() {
		batch, err := conn.PrepareBatch(b.Context(), storage.Records.Insert())
		if err != nil {
			b.Fatal(err)
		}
		for i := range rows {
			row.CorrelatorIndex = int64(total + i)
			row.ObjectID = uuid.New()
			if err := batch.AppendStruct(&row); err != nil {
				b.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			b.Fatal(err)
		}
		total += rows
	}
	b.ReportMetric(float64(total)/time.Since(began).Seconds(), "rows/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkQueryable posts single records to the receiver and asks the store until each one's leg is there.
func BenchmarkQueryable(b *testing.B) {
	conn, broker := storagetest.Store(b), storagetest.Bus(b)
	cfg := receiver.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	cfg.Sources = []receiver.Source{{Name: "cb1", Cluster: "emea", Token: "0123456789abcdef"}}
	r := receiver.New(cfg, receiver.Deps{Bus: broker})
	w := New(DefaultConfig(), Deps{Bus: broker, Store: conn, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- r.Run(ctx) }()
	go func() { done <- w.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-done; <-done })
	<-r.Ready()
	var took []time.Duration
	index := 0
	for b.Loop() {
		id := uuid.NewString()
		text := records(record(index, "callLegStart", "09:14:02", `<callLeg id="`+id+`"><type>sip</type></callLeg>`))
		index++
		began := time.Now()
		response, err := http.Post(fmt.Sprintf("http://%s/cdr/0123456789abcdef", r.Addr()), "text/xml", bytes.NewReader([]byte(text)))
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			b.Fatalf("post answered with %s", response.Status)
		}
		for {
			var n uint64
			if err := conn.QueryRow(b.Context(), "SELECT count() FROM call_legs WHERE id = '"+id+"'").Scan(&n); err != nil {
				b.Fatal(err)
			}
			if n == 1 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(took[len(took)*95/100].Milliseconds()), "p95-ms")
	b.ReportMetric(0, "ns/op")
}
