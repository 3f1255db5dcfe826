package report

import (
	"context"
	"io"
	"math"
	"strings"

	"github.com/bridgewatch/bridgewatch/licensing"
	"github.com/bridgewatch/bridgewatch/storage"
)

// Quality is the report of media quality, by the alarms that end records of call legs bring. A figure that is nil is not known.
type Quality struct {
	Frame
	Totals *QualityShare `json:"totals"`
	Days   []QualityDay  `json:"days"`
	// Bridges, AudioCodecs, VideoCodecs (as received) and Clients are all, Networks those with most minutes under an alarm; most of these first.
	Bridges     []QualityShare `json:"bridges"`
	AudioCodecs []QualityShare `json:"audio_codecs"`
	VideoCodecs []QualityShare `json:"video_codecs"`
	Clients     []QualityShare `json:"clients"`
	Networks    []QualityShare `json:"networks"`
	// Meetings are the worst.
	Meetings []storage.BadMeeting `json:"meetings"`
}

// QualityShare is the quality of legs that have something in common. Legs began in the period and were connected.
type QualityShare struct {
	// Key is what they have in common, empty where it is not known; Cluster of a bridge.
	Cluster string `json:"cms_cluster,omitempty"`
	Key     string `json:"key"`
	Legs    int64  `json:"legs"`
	// Judged are legs whose end record is there; the others say nothing. Alarmed of these had an alarm, which may be of several kinds.
	Judged            int64 `json:"judged"`
	Alarmed           int64 `json:"alarmed"`
	PacketLoss        int64 `json:"packet_loss"`
	ExcessiveJitter   int64 `json:"excessive_jitter"`
	HighRoundTripTime int64 `json:"high_round_trip_time"`
	OtherAlarms       int64 `json:"other_alarms"`
	// Minutes of the judged legs' lives; GoodMinutes those without an alarm, at least. GoodRatio, 0 to 1, is nil where there are no minutes.
	Minutes     float64  `json:"minutes"`
	GoodMinutes float64  `json:"good_minutes"`
	GoodRatio   *float64 `json:"good_ratio"`
}

// QualityDay is the legs that began on a day; nil where call records do not tell.
type QualityDay struct {
	Day      licensing.Day `json:"day"`
	Complete bool          `json:"complete"`
	Quality  *QualityShare `json:"quality"`
}

// How many networks and meetings a report names.
const (
	topNetworks = 500
	topMeetings = 500
)

// MakeQuality asks the store for a report of media quality.
func MakeQuality(ctx context.Context, q *storage.Queries, s storage.Scope) (Quality, error) {
	frame, err := newFrame(ctx, q, s)
	if err != nil {
		return Quality{}, err
	}
	r := Quality{Frame: frame, Days: []QualityDay{}, Bridges: []QualityShare{}, AudioCodecs: []QualityShare{}, VideoCodecs: []QualityShare{}, Clients: []QualityShare{}, Networks: []QualityShare{}}
	rows, err := q.Quality(ctx, s, topNetworks)
	if err != nil {
		return Quality{}, err
	}
	days := map[licensing.Day]QualityShare{}
	var all QualityShare
	for _, u := range rows {
		share := qualityShare(u)
		switch u.Of {
		case "all":
			all = share
		case "day":
			days[licensing.Day(u.Key)] = share
		case "bridge":
			share.Cluster, share.Key, _ = strings.Cut(u.Key, "\n")
			r.Bridges = append(r.Bridges, share)
		case "audio_codec":
			r.AudioCodecs = append(r.AudioCodecs, share)
		case "video_codec":
			r.VideoCodecs = append(r.VideoCodecs, share)
		case "client":
			r.Clients = append(r.Clients, share)
		case "network":
			r.Networks = append(r.Networks, share)
		}
	}
	for _, d := range licensing.Days(s.From, s.To, s.Zone) {
		known, complete := r.day(d)
		row := QualityDay{Day: d, Complete: complete}
		if known {
			share := days[d]
			share.Key = string(d)
			row.Quality, r.Totals = &share, &all
		}
		r.Days = append(r.Days, row)
	}
	r.Meetings, err = q.WorstMeetings(ctx, s, topMeetings)
	return r, err
}

func qualityShare(u storage.QualityUse) QualityShare {
	s := QualityShare{Key: u.Key, Legs: *count(u.Legs), Judged: *count(u.Judged), Alarmed: *count(u.Alarmed), PacketLoss: *count(u.PacketLoss), ExcessiveJitter: *count(u.Jitter),
		HighRoundTripTime: *count(u.RoundTrip), OtherAlarms: *count(u.Other), Minutes: *minutes(u.Seconds), GoodMinutes: *minutes(u.Seconds - u.BadSeconds)}
	if u.Seconds > 0 {
		ratio := math.Round(1e4*(u.Seconds-u.BadSeconds)/u.Seconds) / 1e4
		s.GoodRatio = &ratio
	}
	return s
}

// WriteJSON writes the report as one JSON object.
func (r Quality) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

// WriteCSV writes a line for all, each day, bridge, codec, client and network, which the first column tells apart. An empty cell is not known.
func (r Quality) WriteCSV(w io.Writer) error {
	return csvLines(w, "of,key,cms_cluster,legs,judged,alarmed,packet_loss,excessive_jitter,high_round_trip_time,other_alarms,minutes,good_minutes,good_ratio,complete", func(line func(...any) error) error {
		share := func(of string, s *QualityShare, complete any) error {
			return line(of, s.Key, s.Cluster, s.Legs, s.Judged, s.Alarmed, s.PacketLoss, s.ExcessiveJitter, s.HighRoundTripTime, s.OtherAlarms, s.Minutes, s.GoodMinutes, s.GoodRatio, complete)
		}
		if r.Totals == nil {
			if err := line("all"); err != nil {
				return err
			}
		} else if err := share("all", r.Totals, nil); err != nil {
			return err
		}
		for _, d := range r.Days {
			err := error(nil)
			if d.Quality == nil {
				err = line("day", string(d.Day), nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, d.Complete)
			} else {
				err = share("day", d.Quality, d.Complete)
			}
			if err != nil {
				return err
			}
		}
		for _, group := range []struct {
			of   string
			list []QualityShare
		}{{"bridge", r.Bridges}, {"audio_codec", r.AudioCodecs}, {"video_codec", r.VideoCodecs}, {"client", r.Clients}, {"network", r.Networks}} {
			for i := range group.list {
				if err := share(group.of, &group.list[i], nil); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
