package main

import (
	"fmt"
	"time"

	"github.com/bridgewatch/bridgewatch/collector"
	"github.com/bridgewatch/bridgewatch/collector/witness"
	"github.com/bridgewatch/bridgewatch/internal/cmssim"
	"github.com/bridgewatch/bridgewatch/internal/stage"
)

// old is a release with recorders and streamers of its own.
var old = cmssim.Config{Release: "2.9"}

// scenes are the faults by alert. An alert that is not here is proven with the series of its unit test: those about the program itself, which
// is not on the stage.
func scenes() map[string]scene {
	device := func(status string) scene {
		s := ofFirst("recorders and streamers report "+status+" (2.9)", func(f *cmssim.Faults) { f.DeviceStatus = status })
		s.sim, s.object = old, "recorderStatus"
		return s
	}
	alarm := func(kind string) scene {
		return scene{fault: "the bridge raises " + kind, object: "alarms",
			inject: func(s *stage.Stage) { raise(s, kind) }, repair: func(s *stage.Stage) { first(s).ClearAlarm(kind) }}
	}
	license := func(words string, state cmssim.LicenseState) scene {
		s := ofAll(words, func(f *cmssim.Faults) { f.License = state })
		s.object = "clusterLicensing"
		return s
	}
	polled := func(s scene, object string) scene {
		s.object = object
		return s
	}
	leg := func(words, reason string, aMinute int) scene {
		return recorded(words, aMinute, "callLegEnd", "<reason>"+reason+"</reason><durationSeconds>1</durationSeconds>")
	}
	degraded := func(words string, percent int) scene {
		return recorded(words, 20, "callLegEnd", fmt.Sprintf(`<reason>remoteTeardown</reason><durationSeconds>3600</durationSeconds><alarm type="packetLoss" durationPercentage="%d" />`, percent))
	}
	tick := int64(0)
	restartedOver := func(b *collector.BridgeState) { // so many legs more are over each minute
		if over := b.Status.Value.CallLegsCompleted; over != nil {
			b.Status.Value.CallLegsCompleted = new(*over + 1000*tick)
		}
	}
	busy := make([]string, 14)
	for i := range busy {
		busy[i] = string(rune('a' + i))
	}
	return map[string]scene{
		"CMSBridgeDown":            ofFirst("API out of reach", func(f *cmssim.Faults) { f.Down = true }),
		"CMSPollsFail":             ofFirst("calls are answered with 500", func(f *cmssim.Faults) { f.Refuses = "calls" }),
		"CMSBridgeRestarted":       {fault: "Call Bridge restarted", inject: func(s *stage.Stage) { first(s).Restart() }, repair: func(*stage.Stage) {}},
		"CMSCriticalAlarm":         alarm("callBridgeConnectionFailure"),
		"CMSAlarm":                 alarm("turnServerUnavailable"),
		"CMSDatabaseNodeDown":      polled(ofFirst("database node down", func(f *cmssim.Faults) { f.DatabaseNodeDown = true }), "database"),
		"CMSDatabaseNodeBehind":    polled(ofFirst("database node 5 MB behind", func(f *cmssim.Faults) { f.DatabaseBehind = 5e6 }), "database"),
		"CMSTurnServerUnreachable": polled(ofFirst("TURN servers out of reach", func(f *cmssim.Faults) { f.TURNUnreachable = true }), "turnServers"),
		"CMSWebBridgeUnreachable":  polled(ofFirst("Web Bridges out of reach", func(f *cmssim.Faults) { f.WebBridgeFailure = true }), "webBridges"),
		"CMSClockSkew":             ofFirst("clock half a minute ahead", func(f *cmssim.Faults) { f.ClockSkew = 30 * time.Second }),
		"CMSRecordsBehind":         ofFirst("no way to the CDR receiver", func(f *cmssim.Faults) { f.ReceiversCut = true }),
		"CMSRecordsMissing":        overflow(),
		"CMSReceiverNotRegistered": polled(scene{fault: "our CDR receiver removed", inject: func(s *stage.Stage) { first(s).RemoveReceivers() },
			repair: func(s *stage.Stage) { _ = first(s).AddReceiver(stage.ReceiverURL(first(s).Name)) }}, "cdrReceivers"),
		"CMSMalformedBodies":     {fault: "half a body", inject: func(s *stage.Stage) { post(s, `<records session="1"><record type="callSta`) }, repair: func(*stage.Stage) {}},
		"CMSMeetingNotRecorded":  ofAll("recorders refuse", func(f *cmssim.Faults) { f.RecorderRefuses = true }),
		"CMSRecorderUnreachable": device("connectionFailure"),
		"CMSStreamerUnreachable": device("remoteFailure"),
		"CMSRecorderDiskLow":     device("lowDiskSpace"),
		"CMSLicenseExpiryFrozen": license("expiry of the licenses frozen", cmssim.LicenseFrozen),
		"CMSLicenseExpired":      license("licenses expired", cmssim.LicenseExpired),

		"CMSBridgeLoadHigh":           load("load 90 % of the limit", 0.9),
		"CMSBridgeRefusesCalls":       load("load 81 % of the limit", 0.81),
		"CMSGroupRefusesConferences":  load("load 55 % of the limit", 0.55),
		"CMSFailoverHeadroomNegative": load("load 75 % of the limit", 0.75),
		"CMSConferenceTooLarge":       told("2,400 people in a conference", func(b *collector.BridgeState) { b.Calls.Value.LargestMeeting = new(int64(2400)) }),
		"CMSDistributionTaxHigh": told("half of the legs are links", func(b *collector.BridgeState) {
			b.Status.Value.CallLegsActive = new(int64(100))
			b.SyslogStats = collector.Sample[collector.SyslogStats]{Value: collector.SyslogStats{DistributionLegs: new(int64(50))}, At: b.Status.At, Until: b.Status.Until}
		}),
		"CMSDegradedLegsHigh": told("30 of 100 legs degraded", func(b *collector.BridgeState) {
			b.Status.Value.CallLegsActive, b.DegradedLegs.Value = new(int64(100)), 30
		}),
		"CMSCallSetupRateHigh": {fault: "3,000 legs a minute", live: true, during: func(s *stage.Stage, _ int) { tick++; eachState(s, restartedOver) }},
		"CMSCallsRefused":      leg("10 legs a minute over the participant limit", "participantLimitReached", 10),
		"CMSScanSuspected":     leg("60 legs a minute to unknown destinations", "unknownDestination", 60),
		"CMSPasscodeGuessing":  leg("60 wrong passcodes a minute", "incorrectPasscode", 60),
		"CMSTollFraudSuspected": recorded("60 telephone numbers called a minute", 60, "callLegStart",
			"<remoteParty>+881999123456@gw.example.org;user=phone</remoteParty><type>sip</type><direction>outgoing</direction>"),
		"CMSQualityBudgetBurnsFast":   degraded("half of the minutes degraded", 50),
		"CMSQualityBudgetBurnsSlowly": degraded("a fifth of the minutes degraded", 20),
		"CMSQualityObjectiveMissed":   degraded("5 % of the minutes degraded", 5),
		"CMSRecorderNearlyFull":       told("14 meetings recorded, 16 slots", func(b *collector.BridgeState) { b.Calls.Value.RecordingMeetings = append(busy, "o") }),
		"CMSStreamerNearlyFull":       told("190 meetings streamed, 200 slots", func(b *collector.BridgeState) { b.Calls.Value.StreamingMeetings = many(190) }),
		"CMSRecorderDiskTooSmall":     told("14 recordings all day, 8,000 hours of disk", func(b *collector.BridgeState) { b.Calls.Value.RecordingMeetings = busy }),
		"CMSMediaModulesLost":         turning("a media module lost", modules(7), modules(6)),
		"CMSFault":                    turning("ICE failures in syslog", syslogFault(0), syslogFault(1)),
		"CMSLicenseMissing":           license("licenses gone", cmssim.LicenseNone),
		"CMSSchedulerDown":            turning("scheduler not UP", scheduler(true), scheduler(false)),
		"CMSEventsSilent":             turning("events connections closed", events(true), events(false)),
		"CMSWitnessesDiffer":          turning("records do not come, events and API agree", witnesses(), witnesses(witness.RecordsOff)),
		"CMSCertificateExpiresSoon":   certificate("certificate ends in 10 days", 10, true),
		"CMSCertificateExpired":       certificate("certificate ended yesterday", -1, true),
		"CMSCertificateNameWrong":     certificate("certificate of another name", 200, false),

		"CMSLicensesNearEntitlement":    pool("38 of 40 shared licenses", func(p *collector.PoolState) { p.InUse["smp"] = 38 }),
		"CMSLicensesExceeded":           pool("40 and a sixth of 40 shared licenses", func(p *collector.PoolState) { p.InUse["smp"] = 40 + 1.0/6 }),
		"CMSAssignedLicensesExceeded":   pool("51 of 50 personal licenses assigned", func(p *collector.PoolState) { p.Assigned["pmp"] = 51 }),
		"CMSOverageDaysHigh":            pool("11 days over", func(p *collector.PoolState) { p.OverageDays = new(int64(11)) }),
		"CMSLicenseEnforced":            pool("enforcement level 1", func(p *collector.PoolState) { p.EnforcementLevel = new(int64(1)) }),
		"CMSRecordingLicensesExhausted": pool("10 of 10 recording licenses", func(p *collector.PoolState) { p.InUse["recording"] = 10 }),
		"CMSLicenseCountDiffers":        countDiffers(),
	}
}

// raise raises an alarm of a known type.
func raise(s *stage.Stage, kind string) {
	if err := first(s).RaiseAlarm(kind); err != nil {
		panic(err) // the type stands in this file
	}
}

func many(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = time.Duration(i).String()
	}
	return list
}

// overflow is a bridge whose queue overflows while it does not reach the receiver for half an hour.
func overflow() scene {
	cut := func(on bool) func(*stage.Stage) {
		return func(s *stage.Stage) { first(s).Fault(func(f *cmssim.Faults) { f.ReceiversCut = on }) }
	}
	return scene{fault: "queue overflows in half an hour without the receiver", sim: cmssim.Config{QueueRecords: 100}, inject: cut(true), repair: cut(false),
		lead: 30 * time.Minute, during: func(s *stage.Stage, minute int) {
			if minute == 30 {
				cut(false)(s)
			}
		}}
}

// countDiffers is our count of licenses five beside that of CMS.
func countDiffers() scene {
	set := func(s *stage.Stage, beside float64) {
		in := map[string]float64{}
		for _, c := range s.Live.Snapshot().Clusters {
			u := c.Usage.Value
			in["smp"], in["pmp"], in["recording"] = float64(u.SMP6000)/6000+beside, u.PMP.Float(), (u.Recording + u.Streaming).Float()
		}
		s.Live.SetPool(stage.Pool, sampled(s, collector.PoolState{InUse: in}))
	}
	return scene{fault: "our count five beside that of CMS", live: true,
		always: func(s *stage.Stage) { set(s, 0) },
		during: func(s *stage.Stage, _ int) { set(s, 5) }}
}
