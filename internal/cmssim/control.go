package cmssim

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const controlHelp = `GET  /truth                            what happened so far, as JSON
GET  /bridges                          name, URL, present faults and API statistics of every bridge
POST /bridges/NAME/stop|boot|restart   the Call Bridge process
POST /bridges/NAME/lose?n=3            lose the answers to the next n CDR POSTs
POST /bridges/NAME/alarm/TYPE          raise an alarm; DELETE clears it
POST /bridges/NAME/certificate?days=3  a certificate that ends in so many days
POST /bridges/NAME/drop                drop the events connections
PUT  /bridges/NAME/faults              set all faults from a JSON object, such as {"Hang":true,"Slow":2000000000,
                                       "License":"frozen"}; fields left out are healthy
`

// Control is an HTTP handler that switches faults at run time. It asks for no password: serve it on loopback only.
func (s *Sim) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, controlHelp) })
	mux.HandleFunc("GET /truth", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Truth()) })
	mux.HandleFunc("GET /bridges", func(w http.ResponseWriter, _ *http.Request) {
		type line struct {
			Name, URL string
			Faults    Faults
			API       APIStats
		}
		var all []line
		for _, b := range s.bridges {
			all = append(all, line{b.Name, b.url, b.Faults(), b.APIStats()})
		}
		writeJSON(w, all)
	})
	on := func(pattern string, do func(*Bridge, *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			for _, b := range s.bridges {
				if b.Name != r.PathValue("name") {
					continue
				}
				if err := do(b, r); err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
				}
				return
			}
			http.Error(w, fmt.Sprintf("no bridge %q", r.PathValue("name")), http.StatusNotFound)
		})
	}
	on("POST /bridges/{name}/stop", func(b *Bridge, _ *http.Request) error { b.Stop(); return nil })
	on("POST /bridges/{name}/boot", func(b *Bridge, _ *http.Request) error { b.Boot(); return nil })
	on("POST /bridges/{name}/restart", func(b *Bridge, _ *http.Request) error { b.Restart(); return nil })
	on("POST /bridges/{name}/drop", func(b *Bridge, _ *http.Request) error { b.DropEvents(); return nil })
	on("POST /bridges/{name}/lose", func(b *Bridge, r *http.Request) error {
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		if err != nil || n < 0 {
			return fmt.Errorf("n: want a number, got %q", r.URL.Query().Get("n"))
		}
		b.LoseAnswers(n)
		return nil
	})
	on("POST /bridges/{name}/alarm/{type}", func(b *Bridge, r *http.Request) error { return b.RaiseAlarm(r.PathValue("type")) })
	on("DELETE /bridges/{name}/alarm/{type}", func(b *Bridge, r *http.Request) error { b.ClearAlarm(r.PathValue("type")); return nil })
	on("POST /bridges/{name}/certificate", func(b *Bridge, r *http.Request) error {
		days, err := strconv.ParseFloat(r.URL.Query().Get("days"), 64)
		if err != nil {
			return fmt.Errorf("days: %w", err)
		}
		return b.SetCertificate(time.Now().Add(time.Duration(days * 24 * float64(time.Hour))))
	})
	on("PUT /bridges/{name}/faults", func(b *Bridge, r *http.Request) error {
		var f Faults
		d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<20))
		d.DisallowUnknownFields()
		if err := d.Decode(&f); err != nil {
			return fmt.Errorf("faults: %w", err)
		}
		if _, err := ParseLicenseState(string(f.License)); err != nil {
			return err
		}
		b.Fault(func(present *Faults) { *present = f })
		return nil
	})
	return mux
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the client may be gone
}
