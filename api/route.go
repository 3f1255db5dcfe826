package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// route is one answer of the API. The table of routes is also what the OpenAPI document is made from.
type route struct {
	// Path below /api/v1, with {name} for path parameters.
	path string
	// summary is one line for the OpenAPI document.
	summary string
	// params is a zero value of the struct that holds the parameters: fields tagged `path:"…"` or `query:"…"`.
	params any
	// answer is a zero value of what the handler returns.
	answer any
	// serve gets a pointer to a filled params struct.
	serve func(ctx context.Context, store Store, params any) (any, error)
}

// Error is an error that the caller of the API sees as it is; any other error is logged and answered with 500.
type Error struct {
	Status  int
	Message string
}

func (e *Error) Error() string { return e.Message }

func badRequest(format string, args ...any) error {
	return &Error{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func notFound(what, id string) error {
	return &Error{http.StatusNotFound, fmt.Sprintf("no %s %q", what, id)}
}

// handler serves one route: parameters in, JSON out. An unknown parameter is an error, as it would otherwise be a filter that does not filter.
func (r route) handler(store func() Store, log *slog.Logger, timeout time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		params := reflect.New(reflect.TypeOf(r.params))
		if err := decodeParams(req, params.Elem()); err != nil {
			writeError(w, req, log, err)
			return
		}
		ctx, cancel := context.WithTimeout(req.Context(), timeout)
		defer cancel()
		now := store()
		if now == nil {
			writeError(w, req, log, &Error{http.StatusServiceUnavailable, "the store is not reachable yet; try again in a moment"})
			return
		}
		answer, err := r.serve(ctx, now, params.Interface())
		if err != nil {
			writeError(w, req, log, err)
			return
		}
		writeJSON(w, http.StatusOK, answer)
	}
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil { // only a type that cannot be marshalled: a programming error
		status, body = http.StatusInternalServerError, []byte(`{"error":"the answer could not be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(append(body, '\n')) //nolint:errcheck // the caller is gone; nobody is left to tell
}

func writeError(w http.ResponseWriter, req *http.Request, log *slog.Logger, err error) {
	var known *Error
	switch {
	case errors.As(err, &known):
		writeJSON(w, known.Status, errorAnswer{known.Message})
	case req.Context().Err() != nil: // the caller left
	case errors.Is(err, context.DeadlineExceeded):
		writeJSON(w, http.StatusGatewayTimeout, errorAnswer{"the query took too long; ask for a shorter period"})
	default:
		log.Error("API request failed", "path", req.URL.Path, "error", err)
		writeJSON(w, http.StatusInternalServerError, errorAnswer{"internal error; the log of bridgewatch has the reason"})
	}
}

type errorAnswer struct {
	Error string `json:"error"`
}

// decodeParams fills the struct v from the path and the query of req.
func decodeParams(req *http.Request, v reflect.Value) error {
	query, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return badRequest("the query of the address cannot be read: %v", err)
	}
	var known []string
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if name, ok := field.Tag.Lookup("path"); ok {
			if err := setParam(v.Field(i), name, req.PathValue(name)); err != nil {
				return err
			}
			continue
		}
		name := field.Tag.Get("query")
		known = append(known, name)
		values, given := query[name]
		if !given {
			continue
		}
		if len(values) != 1 {
			return badRequest("parameter %q is given %d times; give it once", name, len(values))
		}
		if err := setParam(v.Field(i), name, values[0]); err != nil {
			return err
		}
		switch v.Field(i).Interface() {
		case uuid.UUID{}, time.Time{}: // would be taken for a parameter that is not given
			return badRequest("parameter %q: %q names nothing", name, values[0])
		}
	}
	for name := range query {
		if !slices.Contains(known, name) {
			slices.Sort(known)
			return badRequest("unknown parameter %q; known are: %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// setParam parses text into one field of a params struct. Times are RFC 3339; a date alone is its start in UTC.
func setParam(field reflect.Value, name, text string) error {
	switch target := field.Addr().Interface().(type) {
	case *string:
		*target = text
	case *time.Time:
		t, err := parseTime(text)
		if err != nil {
			return badRequest("parameter %q: %v", name, err)
		}
		*target = t
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return badRequest("parameter %q: want a positive duration such as 5m, got %q", name, text)
		}
		*target = d
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return badRequest("parameter %q: want a number from 1, got %q", name, text)
		}
		*target = n
	case *bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return badRequest("parameter %q: want true or false, got %q", name, text)
		}
		*target = b
	case *uuid.UUID:
		id, err := uuid.Parse(text)
		if err != nil {
			return badRequest("parameter %q: want a GUID such as 0ab08610-9fc9-4da0-b50a-c8fc22006eae, got %q", name, text)
		}
		*target = id
	default:
		return fmt.Errorf("parameter %q has a type that cannot be parsed: %s", name, field.Type())
	}
	return nil
}

func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("want an RFC 3339 time such as 2026-08-03T09:00:00Z or a date, got %q", text)
}
