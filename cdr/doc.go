// Package cdr understands the call detail records of Cisco Meeting Server: it cuts bodies into records ([Scan]), decodes them
// ([Decode]) and turns records into facts ([Ledger], [Build]). It does no I/O and reads no clock.
//
// Facts are calls, call legs, recordings, streams and sessions. They are a pure function of the set of records, the [Settings] and
// an as-of time: any order, duplication or split over receivers gives the same rows. What is known of the feed, and how sure that
// is, stands in the reference page "cms-cdr"; comments name its sections as "cms-cdr 2.4".
package cdr
