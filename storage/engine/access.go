package engine

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ReaderLimits bound what one statement of anyone but the owner may take, so that an analyst cannot starve inserts.
type ReaderLimits struct {
	// Concurrent statements of all readers together; more wait for Patience, then are refused. 1 to 64.
	Concurrent int `json:"concurrent"`
	// Patience is how long a statement waits for its turn.
	Patience time.Duration `json:"patience"`
	// Memory of one statement in bytes.
	Memory uint64 `json:"memory"`
	// Time of one statement.
	Time time.Duration `json:"time"`
	// Result size of one statement in bytes, before formatting.
	Result uint64 `json:"result"`
	// Threads of one statement.
	Threads int `json:"threads"`
	// Database that a statement runs in when it names none and the database exists; empty means ClickHouse's own default.
	Database string `json:"database"`
}

// DefaultReaderLimits suit a machine of 2 cores and 24 GB.
func DefaultReaderLimits() ReaderLimits {
	return ReaderLimits{Concurrent: 3, Patience: 10 * time.Second, Memory: 2 << 30, Time: 60 * time.Second, Result: 256 << 20, Threads: 2}
}

// Validate tells the first limit that makes no sense.
func (l ReaderLimits) Validate() error {
	switch {
	case l.Concurrent < 1 || l.Concurrent > 64:
		return fmt.Errorf("reader limit concurrent is %d, want 1 to 64", l.Concurrent)
	case l.Patience < 0:
		return fmt.Errorf("reader limit patience is %s, want 0 or more", l.Patience)
	case l.Memory < 64<<20:
		return fmt.Errorf("reader limit memory is %d bytes, want at least 64 MiB", l.Memory)
	case l.Time < time.Second:
		return fmt.Errorf("reader limit time is %s, want at least a second", l.Time)
	case l.Result < 1<<20:
		return fmt.Errorf("reader limit result is %d bytes, want at least 1 MiB", l.Result)
	case l.Threads < 1:
		return fmt.Errorf("reader limit threads is %d, want at least 1", l.Threads)
	}
	return nil
}

// maxReaderStatement is the longest statement of a reader, in bytes: ClickHouse's own default of max_query_size.
const maxReaderStatement = 256 << 10

// capped are the settings that a reader may lower but not lift. Zero means "no limit" to ClickHouse, so it counts as too much.
func (l ReaderLimits) capped() map[string]uint64 {
	return map[string]uint64{
		"max_memory_usage":   l.Memory,
		"max_execution_time": uint64(max(1, l.Time/time.Second)),
		"max_result_bytes":   l.Result,
		"max_threads":        uint64(l.Threads),
	}
}

// fixed are the settings that readers cannot touch at all, with their values. "readonly" is set last: from then on
// ClickHouse itself refuses writes, changed settings and most table functions.
func (l ReaderLimits) fixed() []parameter {
	memory := strconv.FormatUint(l.Memory, 10)
	return []parameter{
		{"max_memory_usage_for_user", memory},
		{"max_bytes_before_external_group_by", strconv.FormatUint(l.Memory/2, 10)},
		{"max_bytes_before_external_sort", strconv.FormatUint(l.Memory/2, 10)},
		{"max_temporary_data_on_disk_size_for_query", strconv.FormatUint(4*l.Memory, 10)},
		{"timeout_before_checking_execution_speed", "0"},
		{"timeout_overflow_mode", "throw"},
		{"result_overflow_mode", "throw"},
		{"allow_introspection_functions", "0"},
		{"allow_ddl", "0"},
		{"max_query_size", strconv.Itoa(maxReaderStatement)},
		{"readonly", "1"},
	}
}

// readerSettings turns what a reader asked for in the URL into what is set: allowed settings, limits no higher than ours, readonly.
func (l ReaderLimits) readerSettings(asked []parameter) ([]parameter, error) {
	limits := l.capped()
	var settings []parameter
	for _, s := range asked {
		limit, isCapped := limits[s.name]
		switch {
		case s.name == "readonly":
			if s.value == "0" {
				return nil, refused("cannot modify 'readonly' setting in readonly mode")
			}
		case isCapped:
			n, err := strconv.ParseFloat(s.value, 64)
			if err != nil || n <= 0 || n > float64(limit) {
				continue // ours stands
			}
			limits[s.name] = max(1, uint64(n))
		case readerMaySet(s.name):
			settings = append(settings, s)
		default:
			return nil, refused(fmt.Sprintf("cannot modify '%s' setting in readonly mode", s.name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		settings = append(settings, parameter{name, strconv.FormatUint(limits[name], 10)})
	}
	return append(settings, l.fixed()...), nil
}

// readerMaySet tells the settings that change how a result looks or is delivered, and nothing else.
func readerMaySet(name string) bool {
	for _, prefix := range []string{"output_format_", "date_time_", "join_use_nulls", "http_", "allow_experimental_analyzer", "enable_analyzer"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"session_timezone", "max_result_rows", "max_block_size", "max_rows_to_read", "max_bytes_to_read",
		"extremes", "final", "prefer_column_name_to_alias", "bool_true_representation", "bool_false_representation",
		"format_csv_delimiter", "cast_keep_nullable", "use_skip_indexes", "use_skip_indexes_if_final"}, name)
}

func refused(why string) *Exception {
	return &Exception{Code: codeReadonly, Name: "READONLY", Message: "this access is read-only: " + why}
}

// harmlessTableFunctions are the table functions that read nothing but our own tables, or make rows up. ClickHouse has no list of
// those that are safe, so that every other one, and every one that a later version adds, is refused.
var harmlessTableFunctions = []string{
	"numbers", "numbers_mt", "zeros", "zeros_mt", "primes", "generate_series", "generateseries", "generaterandom", "values", "view", "viewifpermitted",
	"merge", "null", "format", "mergetreeindex", "mergetreeprojection", "mergetreetextindex", "mergetreeanalyzeindexes", "viewexplain", "loop", "fuzzquery", "fuzzjson",
}

// deniedFunctions are ordinary functions that reach out of the engine although readonly is set.
var deniedFunctions = []string{"file", "catboostevaluate", "aiclassify", "aiembed", "aiextract", "aigenerate", "aitranslate", "getclienthttpheader",
	"structuretocapnprotoschema", "structuretoprotobufschema", "showcertificate", "addresstoline", "addresstolinewithinlines", "addresstosymbol"}

// gate judges the statements of readers. What it relies on: ClickHouse's parser classifies the text (no statement that leaves a trace
// passes), ClickHouse's formatter rewrites it without comments and in one spelling (so the search for names cannot be misled by how
// the text looks), and the session that runs it has readonly=1.
type gate struct {
	denied map[string]bool // names of functions and table functions, in lower case
}

// newGate asks the engine which table functions there are.
func newGate(c *connection) (*gate, error) {
	names, err := c.exec("SELECT lower(name) FROM system.table_functions UNION ALL SELECT lower(name) FROM system.functions WHERE name ILIKE 'ai%' AND origin = 'System' AND NOT is_aggregate", "TSVRaw")
	if err != nil {
		return nil, fmt.Errorf("list the table functions: %w", err)
	}
	g := &gate{denied: map[string]bool{}}
	for name := range strings.Lines(names) {
		name = strings.TrimSpace(name)
		g.denied[name] = !slices.Contains(harmlessTableFunctions, name)
	}
	for _, name := range deniedFunctions {
		g.denied[name] = true
	}
	return g, nil
}

// check refuses a statement that a reader may not run. The connection is any fresh one; nothing is run but the parser.
func (g *gate) check(c *connection, statement string) error {
	if len(statement) > maxReaderStatement {
		return &Exception{Code: codeSyntaxError, Name: "SYNTAX_ERROR", Message: fmt.Sprintf("a statement of %d bytes; at most %d are taken here", len(statement), maxReaderStatement)}
	}
	statements, class, err := c.classify(statement)
	if err != nil {
		return err
	}
	if class != classUnparsed && (statements != 1 || class != classReads) {
		if statements != 1 {
			return refused("one SELECT, SHOW, DESCRIBE or EXPLAIN at a time")
		}
		return refused("only SELECT, SHOW, DESCRIBE and EXPLAIN are allowed")
	}
	canonical, err := c.exec("SELECT formatQuerySingleLine({q:String})", "TSVRaw", parameter{"q", escapeParameter(statement)})
	if err != nil {
		return err // ClickHouse's own word on the syntax
	}
	if class == classUnparsed {
		return refused("only SELECT, SHOW, DESCRIBE and EXPLAIN are allowed")
	}
	if name := g.deniedName(canonical); name != "" {
		return &Exception{Code: codeFunctionDenied, Name: "FUNCTION_NOT_ALLOWED", Message: "this access is read-only: function " + name + " is not allowed"}
	}
	return nil
}

// deniedName finds a denied name used as a function: before a bracket, or given to APPLY.
func (g *gate) deniedName(canonical string) string {
	lex := &lexer{text: canonical}
	denied, applied := "", false
	for {
		t, ok := lex.next()
		if !ok {
			return ""
		}
		if denied != "" && t.kind == tokenMark && canonical[t.start] == '(' {
			return denied
		}
		denied = ""
		switch t.kind {
		case tokenWord, tokenQuoted:
			name := t.name(canonical)
			if g.denied[strings.ToLower(name)] {
				if applied {
					return name
				}
				denied = name
			}
			applied = t.is(canonical, "APPLY")
		case tokenMark:
			applied = applied && canonical[t.start] == '('
		case tokenString:
			applied = false
		}
	}
}

var parameterEscapes = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`)

// escapeParameter writes text the way parameter values are read.
func escapeParameter(s string) string { return parameterEscapes.Replace(s) }
