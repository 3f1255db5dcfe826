package certs

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/faults"
	"github.com/bridgewatch/bridgewatch/storage"
)

// recallWait is how long the first probes wait for a store that cannot be read yet.
const recallWait = 10 * time.Second

// book returns the cluster's book with the alarms that an earlier run left open, and what is to run beside the probes where those could not be read yet. What is no longer
// in the inventory is cleared: nobody will look at it again.
func (p *Prober) book(ctx context.Context, cluster string) (book *faults.Book, later func()) {
	log := p.deps.Logger.With("cms_cluster", cluster)
	book = faults.NewBook(cluster, "", collector.SourceCerts, p.deps.Live, log, func(ctx context.Context, rows []storage.Alarm) bool {
		return p.publish(ctx, "alarms", storage.TableAlarms, rows)
	})
	later = faults.Recall(ctx, p.deps.Memory, cluster, recallWait, p.deps.Logger, func(open []storage.Alarm) {
		book.Recall(open)
		watched := p.watched(cluster)
		for _, a := range open {
			if a.Source == collector.SourceCerts && a.CallBridge == "" && !slices.Contains(watched, a.Subject) {
				book.Clear(ctx, p.deps.Clock().UTC(), a.Type, a.Subject)
			}
		}
	})
	return book, later
}

// watched are the subjects of a cluster's alarms.
func (p *Prober) watched(cluster string) []string {
	var names []string
	for _, c := range p.deps.Live.Inventory().Clusters {
		if c.Name != cluster {
			continue
		}
		names = append(names, c.Certificates...)
		for _, address := range c.Schedulers {
			names = append(names, nameOf(address))
		}
	}
	return names
}

// judge says what is wrong with an end point's certificate. One that is not seen is not known: what was wrong with it stays.
func (p *Prober) judge(ctx context.Context, book *faults.Book, row storage.Certificate) {
	say := func(kind string, holds bool, reason, detail string) {
		if holds {
			book.Raise(ctx, row.Time, faults.Fault{Type: kind, Subject: row.Endpoint, Reason: reason, Detail: detail})
		} else {
			book.Clear(ctx, row.Time, kind, row.Endpoint)
		}
	}
	seen := row.Reached == 1
	say(collector.CertificateUnseen, !seen, row.Error, row.Problem)
	if !seen {
		return
	}
	ends := "ends " + row.NotAfter.Format("2006-01-02T15:04:05Z")
	left := row.NotAfter.Sub(row.Time)
	say(collector.CertificateExpired, left <= 0, "", ends)
	say(collector.CertificateExpiring, left > 0 && left < p.cfg.Ahead, "", ends)
	say(collector.CertificateName, *row.NameMatches == 0, "", "made out to "+strings.Join(row.Names[:min(len(row.Names), 8)], " "))
	// A chain that is broken by the end of the leaf alone is no second fault.
	say(collector.CertificateChain, *row.ChainValid == 0 && left > 0, "", row.Problem)
}
