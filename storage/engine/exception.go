package engine

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// Exception is an error of ClickHouse, or one of ours in its form.
type Exception struct {
	Code    int    // ClickHouse's error number
	Name    string // its name, such as UNKNOWN_TABLE
	Message string // without code and name
}

func (e *Exception) Error() string {
	return fmt.Sprintf("Code: %d. DB::Exception: %s (%s)", e.Code, strings.TrimSpace(e.Message), e.Name)
}

// The error numbers that this package itself speaks of; ClickHouse's src/Common/ErrorCodes.cpp has them all.
const (
	codeBadArguments     = 36
	codeNotImplemented   = 48
	codeReadonly         = 164
	codeSyntaxError      = 62
	codeTooLarge         = 161
	codeCannotReadAll    = 33
	codeUnknownFormat    = 73
	codeTooManyQueries   = 202
	codeFunctionDenied   = 446
	codeAccessDenied     = 497
	codeAuthentication   = 516
	codeUnknownException = 1002
)

var (
	exceptionStart = regexp.MustCompile(`^(?:Code: (\d+)\. )?(?:DB::Exception: )?`)
	exceptionEnd   = regexp.MustCompile(`(?s)^(.*?)\s*(?:\(([A-Z][A-Z0-9_]+)\))?\s*(?:\(version [^()]*(?:\([^()]*\))?[^()]*\))?\s*$`)
)

// parseException reads ClickHouse's way of writing an error; "Code: 60. DB::Exception: Code: 60. DB::Exception: …" is written by the
// engine where an error passed two layers, and counts once.
func parseException(text string) *Exception {
	e := &Exception{Code: codeUnknownException, Name: "UNKNOWN_EXCEPTION"}
	rest := strings.TrimSpace(text)
	for {
		m := exceptionStart.FindStringSubmatch(rest)
		if m[0] == "" {
			break
		}
		if n, err := strconv.Atoi(m[1]); err == nil {
			e.Code = n
		}
		rest = rest[len(m[0]):]
	}
	for {
		m := exceptionEnd.FindStringSubmatch(rest)
		if m[1] == rest {
			break
		}
		if m[2] != "" {
			e.Name = m[2]
		}
		rest = m[1]
	}
	e.Message = rest
	return e
}

// asException makes any error one that ClickHouse's clients understand.
func asException(err error) *Exception {
	if e, ok := errors.AsType[*Exception](err); ok {
		return e
	}
	return &Exception{Code: codeUnknownException, Name: "UNKNOWN_EXCEPTION", Message: err.Error()}
}

// status is the HTTP status that ClickHouse gives the error.
func (e *Exception) status() int {
	switch e.Code {
	case codeAuthentication, 192 /* UNKNOWN_USER */, 193 /* WRONG_PASSWORD */ :
		return http.StatusForbidden
	case codeBadArguments, codeSyntaxError, codeCannotReadAll,
		6, 26, 27, 38, 41, 42, 43, 44, 53, 69, 72, 130, 131, 386, 427, 456, 457 /* cannot parse, wrong types and arguments, substitutions */ :
		return http.StatusBadRequest
	case 46, 47, 50, 56, 60, 63, 81, 115, codeUnknownFormat /* unknown function, identifier, type, storage, table, aggregate, database, setting, format */ :
		return http.StatusNotFound
	case 159 /* TIMEOUT_EXCEEDED */ :
		return http.StatusRequestTimeout
	case codeTooLarge:
		return http.StatusRequestEntityTooLarge
	case codeNotImplemented:
		return http.StatusNotImplemented
	case codeTooManyQueries, 439 /* CANNOT_SCHEDULE_TASK */ :
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}
