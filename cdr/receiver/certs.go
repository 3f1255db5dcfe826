package receiver

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is read from files and read again when they change, so that renewing it needs no restart.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	loaded  *tls.Certificate
	stamp   [2]fileStamp // of the files that loaded came from, or that last failed to load
	checked time.Time
}

type fileStamp struct {
	modified time.Time
	size     int64
}

// checkEvery bounds how often handshakes look at the files.
const checkEvery = time.Second

func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("receiver: certificate: %w", err)
	}
	c.loaded, c.stamp, c.checked = &cert, c.stamps(), time.Now()
	return c, nil
}

func (c *certificate) stamps() (s [2]fileStamp) {
	for i, path := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(path); err == nil {
			s[i] = fileStamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

// get is a tls.Config's GetCertificate. Files that do not load leave the certificate in use as it was.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < checkEvery {
		return c.loaded, nil
	}
	c.checked = time.Now()
	stamp := c.stamps()
	if stamp == c.stamp {
		return c.loaded, nil
	}
	c.stamp = stamp
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		c.log.Warn("changed certificate does not load; the old one stays in use", "file", c.certFile, "error", err)
		return c.loaded, nil
	}
	c.log.Info("certificate changed", "file", c.certFile)
	c.loaded = &cert
	return c.loaded, nil
}
