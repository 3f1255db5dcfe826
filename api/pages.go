package api

import (
	_ "embed"
	"html/template"
	"net/http"
)

//go:embed landing.html
var landingHTML string

var landingPage = template.Must(template.New("landing").Parse(landingHTML))

// landing tells a person where things are.
func (s *Server) landing(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	var routes []route
	if s.deps.Store != nil {
		routes = s.routes()
	}
	type line struct{ Path, Summary string }
	var lines []line
	for _, r := range routes {
		lines = append(lines, line{"/api/v1" + r.path, r.summary})
	}
	if err := landingPage.Execute(w, lines); err != nil {
		s.deps.Log.Debug("landing page not written", "error", err)
	}
}

// healthy answers that the process is alive.
func (s *Server) healthy(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "healthy"})
}

// readyAnswer is the body of /-/ready.
type readyAnswer struct {
	Ready   bool                `json:"ready"`
	Missing []string            `json:"missing"`
	Holds   map[string][]string `json:"holds"`
}

// readiness answers 200 when every part of this instance works, else 503 with what does not, and what the instance holds.
func (s *Server) readiness(w http.ResponseWriter, _ *http.Request) {
	answer := readyAnswer{Ready: true, Missing: []string{}, Holds: map[string][]string{}}
	if s.deps.Readiness != nil {
		missing, holds := s.deps.Readiness()
		answer.Ready = len(missing) == 0
		answer.Missing = append(answer.Missing, missing...)
		if holds != nil {
			answer.Holds = holds
		}
	}
	status := http.StatusOK
	if !answer.Ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, answer)
}
