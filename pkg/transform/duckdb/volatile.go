package duckdb

// tableFunctions are those that a FROM may call: pure functions of their arguments.
var tableFunctions = map[string]bool{
	"generate_series": true,
	"json_each":       true,
	"json_tree":       true,
	"range":           true,
	"unnest":          true,
}

const (
	readsClock   = "it reads the clock"
	drawsRandom  = "it draws random values"
	readsSession = "it depends on the session that runs it"
	justWaits    = "it only waits"
)

// volatile lists the functions whose value differs from run to run, with the
// reason, after DuckDB's own list (a test compares them) and the ones that it
// wrongly calls consistent.
var volatile = map[string]string{
	"ago":                      readsClock,
	"current_date":             readsClock,
	"current_localtime":        readsClock,
	"current_localtimestamp":   readsClock,
	"current_time":             readsClock,
	"current_timestamp":        readsClock,
	"get_current_time":         readsClock,
	"get_current_timestamp":    readsClock,
	"localtime":                readsClock,
	"localtimestamp":           readsClock,
	"now":                      readsClock,
	"pg_conf_load_time":        readsClock,
	"pg_postmaster_start_time": readsClock,
	"pg_sleep":                 justWaits,
	"sleep_ms":                 justWaits,
	"today":                    readsClock,
	"transaction_timestamp":    readsClock,

	"gen_random_uuid":    drawsRandom,
	"random":             drawsRandom,
	"reservoir_quantile": drawsRandom,
	"setseed":            drawsRandom,
	"uuid":               drawsRandom,
	"uuidv4":             drawsRandom,
	"uuidv7":             drawsRandom,

	"current_catalog":        readsSession,
	"current_connection_id":  readsSession,
	"current_database":       readsSession,
	"current_query":          readsSession,
	"current_query_id":       readsSession,
	"current_schema":         readsSession,
	"current_schemas":        readsSession,
	"current_setting":        readsSession,
	"current_transaction_id": readsSession,
	"currval":                readsSession,
	"in_search_path":         readsSession,
	"nextval":                readsSession,
	"stats":                  readsSession,
	"txid_current":           readsSession,
	"version":                readsSession,
	"write_log":              "it writes to the engine's log",
}

// bareClock are the functions that SQL calls without parentheses. In the syntax
// tree they look like columns.
var bareClock = map[string]bool{
	"current_date":      true,
	"current_time":      true,
	"current_timestamp": true,
	"localtime":         true,
	"localtimestamp":    true,
}
