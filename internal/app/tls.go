package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/bridgewatch/bridgewatch/collector/certs"
	"github.com/bridgewatch/bridgewatch/internal/config"
)

// clientTLS is how we speak TLS to a server; nil where neither the address nor a key of the configuration asks for it.
func clientTLS(c config.ClientTLS, asked bool) (*tls.Config, error) {
	if !asked && c == (config.ClientTLS{}) {
		return nil, nil
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName, InsecureSkipVerify: c.InsecureSkipVerify} //nolint:gosec // only where the operator says so
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file %s holds no PEM certificate", c.CAFile)
		}
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}

// probeConfig trusts the authorities of the system, and those that the configuration trusts for bridges.
func probeConfig(c config.Config) certs.Config {
	out := certs.DefaultConfig()
	out.Ahead = c.Faults.CertificateAhead.Std()
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // a machine without any
	}
	for _, cluster := range c.Clusters {
		for _, b := range cluster.Bridges {
			if pem, err := os.ReadFile(b.TLS.CAFile); err == nil { // what is wrong with a file, the poller tells
				roots.AppendCertsFromPEM(pem)
			}
		}
	}
	out.Roots = roots
	return out
}
