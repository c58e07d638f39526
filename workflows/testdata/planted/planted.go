// Package planted holds workflows that are not deterministic, one mistake each:
// run.sh checks that workflowcheck reports them all and passes the last one.
package planted

import (
	"context"
	"crypto/rand"
	"log/slog"
	randv2 "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

func register(w worker.WorkflowRegistry) {
	w.RegisterWorkflow(BadClock)
	w.RegisterWorkflow(BadElapsed)
	w.RegisterWorkflow(BadTimer)
	w.RegisterWorkflow(BadEnvironment)
	w.RegisterWorkflow(BadFile)
	w.RegisterWorkflow(BadHTTP)
	w.RegisterWorkflow(BadClient)
	w.RegisterWorkflow(BadDial)
	w.RegisterWorkflow(BadCommand)
	w.RegisterWorkflow(BadChance)
	w.RegisterWorkflow(BadSecret)
	w.RegisterWorkflow(BadID)
	w.RegisterWorkflow(BadCores)
	w.RegisterWorkflow(BadTimeout)
	w.RegisterWorkflow(BadGoroutine)
	w.RegisterWorkflow(BadMapRange)
	w.RegisterWorkflow(BadLog)
	w.RegisterWorkflow(BadFarAway)
	w.RegisterWorkflow(GoodWorkflow)
}

var _ = register

func BadClock(workflow.Context) (time.Time, error)            { return time.Now(), nil }
func BadElapsed(_ workflow.Context, t time.Time) (any, error) { return time.Since(t), nil }
func BadTimer(workflow.Context) (any, error)                  { return time.NewTimer(1) != nil, nil }
func BadEnvironment(workflow.Context) (string, error)         { return os.Getenv("TILERY_BUCKET"), nil }
func BadFile(workflow.Context) ([]byte, error)                { return os.ReadFile("/etc/hostname") }
func BadHTTP(workflow.Context) (any, error)                   { return http.Get("http://127.0.0.1") }
func BadDial(workflow.Context) (any, error)                   { return net.Dial("tcp", "127.0.0.1:1") }
func BadCommand(workflow.Context) error                       { return exec.Command("true").Run() }
func BadChance(workflow.Context) (int, error)                 { return randv2.IntN(10), nil }
func BadSecret(workflow.Context) (string, error)              { return rand.Text(), nil }
func BadID(workflow.Context) (string, error)                  { return uuid.NewString(), nil }
func BadCores(workflow.Context) (int, error)                  { return runtime.NumCPU(), nil }
func BadLog(workflow.Context) error                           { slog.Info("started"); return nil }

func BadClient(workflow.Context) error {
	request, err := http.NewRequest(http.MethodGet, "http://127.0.0.1", nil)
	if err != nil {
		return err
	}
	_, err = new(http.Client).Do(request)
	return err
}

func BadTimeout(workflow.Context) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return ctx.Err()
}

func BadGoroutine(workflow.Context) error {
	go func() {}()
	return nil
}

func BadMapRange(_ workflow.Context, in map[string]int) (last string, err error) {
	for name := range in {
		last = name
	}
	return last, nil
}

// BadFarAway calls something that calls something.
func BadFarAway(workflow.Context) (string, error) { return near(), nil }

func near() string { return far() }
func far() string  { return uuid.New().String() }

// GoodWorkflow is what the others should have been.
func GoodWorkflow(ctx workflow.Context, in map[string]int) ([]string, error) {
	if err := workflow.Sleep(ctx, time.Minute); err != nil {
		return nil, err
	}
	return workflow.DeterministicKeys(in), nil
}
