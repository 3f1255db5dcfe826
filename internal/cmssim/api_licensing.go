package cmssim

import (
	"fmt"
	"strconv"
	"time"
)

// LicenseState is a state of the cluster's licensing (cms-api.md, 5.8 and 10).
type LicenseState string

// The states. Healthy is the zero value: compliant, expiry 90 days ahead.
const (
	LicenseHealthy     LicenseState = ""
	LicenseTrial       LicenseState = "trial"       // 90 days from the boot of the bridge, counting down
	LicenseFrozen      LicenseState = "frozen"      // over the allowance or without Meeting Management: the expiry stands still 30 days ahead of the story's start
	LicenseOver14      LicenseState = "over14"      // 14 days over: still refreshed
	LicenseOver15      LicenseState = "over15"      // 15 days over: the undefined day, taken as refreshed
	LicenseOver16      LicenseState = "over16"      // 16 days over: the expiry was frozen yesterday
	LicenseExpired     LicenseState = "expired"     // for ten days
	LicenseLongExpired LicenseState = "longExpired" // for a hundred days
	LicenseNone        LicenseState = "noLicense"
)

// LicenseStates returns every state.
func LicenseStates() []LicenseState {
	return []LicenseState{LicenseHealthy, LicenseTrial, LicenseFrozen, LicenseOver14, LicenseOver15, LicenseOver16, LicenseExpired, LicenseLongExpired, LicenseNone}
}

// ParseLicenseState reads the name of a state; "healthy" and the empty name are the healthy one.
func ParseLicenseState(name string) (LicenseState, error) {
	if name == "healthy" {
		return LicenseHealthy, nil
	}
	for _, s := range LicenseStates() {
		if string(s) == name {
			return s, nil
		}
	}
	return "", fmt.Errorf("%q is no licensing state", name)
}

// feature returns status and expiry of a licensed feature.
func (q *request) feature() (status string, expiry time.Time) {
	const d = 24 * time.Hour
	clock := &q.b.cluster.sim.clock
	now, start := clock.at(q.now), clock.at(0)
	switch q.faults.License {
	case LicenseTrial:
		return "activated", clock.at(q.st.booted).Add(90 * d)
	case LicenseFrozen:
		return "activated", start.Add(30 * d)
	case LicenseOver16:
		return "activated", start.Add(89 * d)
	case LicenseExpired:
		return "expired", start.Add(-10 * d)
	case LicenseLongExpired:
		return "expired", start.Add(-100 * d)
	case LicenseNone:
		return "noLicense", time.Time{}
	}
	return "activated", now.Add(90 * d)
}

// featureDoc is one feature of /system/licensing or /clusterLicensing. limit is left out if negative.
func featureDoc(name, status, expiry string, limit int) element {
	e := el(name, txt("status", status))
	if status == "noLicense" {
		return e
	}
	if expiry != "" {
		e = e.with(txt("expiry", expiry))
	}
	if limit >= 0 {
		e = e.with(txt("limit", strconv.Itoa(limit)))
	}
	return e
}

func (q *request) clusterLicensing() answer {
	status, at := q.feature()
	expiry := day(at)
	return ok(el("clusterLicensing", el("features",
		featureDoc("callBridge", status, expiry, -1), featureDoc("callBridgeNoEncryption", "noLicense", "", -1),
		featureDoc("customizations", status, expiry, -1), featureDoc("recording", status, expiry, -1))))
}

// licensing is the license file of this server: full before 3.0, empty on a Smart-licensed node.
func (q *request) licensing() answer {
	status, at := q.feature()
	if q.rel >= 300 {
		status = "noLicense"
	}
	if status == "expired" && q.faults.License == LicenseExpired {
		status = "grace" // a file that ran out lately is within its renewal grace
	}
	expiry := day(at)
	features := el("features", featureDoc("callBridge", status, expiry, -1))
	if q.rel >= 204 {
		features = features.with(featureDoc("callBridgeNoEncryption", "noLicense", "", -1))
	}
	features = features.with(featureDoc("webBridge", status, expiry, -1), featureDoc("turn", status, expiry, -1), featureDoc("ldap", status, expiry, -1),
		featureDoc("branding", status, expiry, -1), featureDoc("recording", status, expiry, 10))
	if q.rel >= 201 {
		features = features.with(featureDoc("streaming", status, expiry, 10))
	}
	return ok(el("licensing", features.with(featureDoc("personal", status, expiry, 2*q.st.cluster.assigned), featureDoc("shared", status, expiry, 20*len(q.cluster().Bridges)))))
}
