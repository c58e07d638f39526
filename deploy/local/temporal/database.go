package temporal

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite" // registers the driver "sqlite" too
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"
)

// retention of closed workflows. The server's default of a day would hide last
// week's jobs from the UI.
const retention = 30 * 24 * time.Hour

// databasePath names the file by the server's minor version, as temporal-1.32.db.
func databasePath(dataDir string) string {
	minor := headers.ServerVersion[:strings.LastIndexByte(headers.ServerVersion, '.')]
	return filepath.Join(dataDir, "temporal-"+minor+".db")
}

// storeConfig is the server's access to the file. The plugin puts the name into
// a URI as it is, so it is escaped here. Attributes that SQLite does not know as
// URI parameters become pragmas of each connection.
func storeConfig(path string) *config.SQL {
	return &config.SQL{
		PluginName:   sqlite.PluginName,
		DatabaseName: escapePath(path),
		MaxConns:     1,
		ConnectAttributes: map[string]string{
			"mode":         "rwc",
			"journal_mode": "wal",
			"synchronous":  "2",
			"busy_timeout": "10000", // milliseconds
		},
	}
}

func escapePath(path string) string { return (&url.URL{Path: path}).EscapedPath() }

// prepareDatabase creates what is missing of the schema and the namespace.
func prepareDatabase(ctx context.Context, path, namespace string) error {
	if err := createSchema(ctx, path); err != nil {
		return fmt.Errorf("create schema in %s: %w", path, err)
	}
	ns, err := sqliteschema.NewNamespaceConfig(clusterName, namespace, false, nil)
	if err != nil {
		return fmt.Errorf("namespace %s: %w", namespace, err)
	}
	ns.Detail.Config.Retention = durationpb.New(retention)
	if err := sqliteschema.CreateNamespaces(storeConfig(path), ns); err != nil {
		return fmt.Errorf("namespace %s: %w", namespace, err)
	}
	return nil
}

// createSchema runs all statements in one transaction, which the server's own
// SetupSchema does not: killed half-way, that one leaves a file that neither it
// nor the server accepts.
func createSchema(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", "file:"+escapePath(path)+"?_pragma=synchronous=2&_pragma=busy_timeout=10000&_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // without effect after Commit
	var tables int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = 'namespaces'").Scan(&tables); err != nil {
		return err
	}
	if tables > 0 {
		return nil
	}
	if err := sqliteschema.SetupSchemaOnDB(txDB{ctx: ctx, tx: tx}); err != nil {
		return err
	}
	return tx.Commit()
}

// txDB is the one method of AdminDB that SetupSchemaOnDB calls.
type txDB struct {
	sqlplugin.AdminDB
	ctx context.Context
	tx  *sql.Tx
}

func (t txDB) Exec(stmt string, args ...any) error {
	_, err := t.tx.ExecContext(t.ctx, stmt, args...)
	return err
}
