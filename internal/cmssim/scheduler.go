package cmssim

import (
	"encoding/json"
	"net/http"
)

// schedulerPath is where a bridge's Scheduler answers. The real one has a listener of its own; here it shares the bridge's, to save a port.
const schedulerPath = "/scheduler/status"

// handleScheduler answers with the status document of the Spring actuator kind (capacities page, section 5). It needs no password.
func (b *Bridge) handleScheduler(w http.ResponseWriter) {
	type component struct {
		Status  string         `json:"status"`
		Details map[string]any `json:"details,omitempty"`
	}
	c2w := component{"UP", map[string]any{"webbridges": "webbridge1." + b.Cluster + ".example.net:9999:CONNECTED"}}
	overall, code := "UP", http.StatusOK
	if b.faults.get().WebBridgeFailure {
		c2w = component{"DOWN", map[string]any{"webbridges": ""}}
		overall, code = "DOWN", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{ // the client may be gone
		"status":     overall,
		"components": map[string]component{"c2w": c2w, "db": {Status: "UP"}, "mail": {Status: "UP"}, "ping": {Status: "UP"}},
	})
}
