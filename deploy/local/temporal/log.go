package temporal

import (
	"log/slog"
	"os"
	"sync/atomic"

	"go.temporal.io/server/common/log/tag"
)

// serverLog passes the server's errors on and drops the rest. While stopping,
// services that lose each other report errors that mean nothing: silence ends
// the output before that.
type serverLog struct {
	out    *slog.Logger
	silent atomic.Bool
}

func newServerLog(out *slog.Logger) *serverLog {
	return &serverLog{out: out.With("component", "temporal")}
}

func (l *serverLog) silence() { l.silent.Store(true) }

func (l *serverLog) Debug(string, ...tag.Tag) {}
func (l *serverLog) Info(string, ...tag.Tag)  {}
func (l *serverLog) Warn(string, ...tag.Tag)  {}

func (l *serverLog) Error(msg string, tags ...tag.Tag) {
	if !l.silent.Load() {
		l.write(msg, tags)
	}
}

func (l *serverLog) DPanic(msg string, tags ...tag.Tag) { l.Error(msg, tags...) }

func (l *serverLog) Panic(msg string, tags ...tag.Tag) {
	l.write(msg, tags)
	panic(msg) //nolint:forbidigo // the server expects that Panic does not return
}

func (l *serverLog) Fatal(msg string, tags ...tag.Tag) {
	l.write(msg, tags)
	os.Exit(1) //nolint:forbidigo // the server expects that Fatal does not return
}

func (l *serverLog) write(msg string, tags []tag.Tag) {
	attrs := make([]any, len(tags))
	for i, t := range tags {
		attrs[i] = slog.Any(t.Key(), t.Value())
	}
	l.out.Error(msg, attrs...)
}
