package e2e_test

import (
	"context"
	"path"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/online"
	"github.com/tilery/tilery/pkg/online/onlinetest"
	"github.com/tilery/tilery/worker/host"
)

// way is how a call fails.
type way string

const (
	answered way = ""       // it does not
	before   way = "before" // an error, and nothing was done
	after    way = "after"  // done, then an error
	hang     way = "hang"   // no answer until the time is up; odd calls are done, even ones not
)

var ways = []way{before, after, hang}

// call names one call of a run: the nth with a name, from 1.
type call struct {
	name string
	n    int
}

// kind is the first word of a call's name.
func (c call) kind() string {
	kind, _, _ := strings.Cut(c.name, " ")
	return kind
}

// injector records the calls of a host by name, and has one of them fail.
type injector struct {
	target call
	way    way

	mu      sync.Mutex
	on      bool
	counts  map[string]int
	calls   []call // in order
	reached bool
}

// record begins to count calls, at the start of the job.
func (i *injector) record() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.on, i.counts = true, map[string]int{}
}

// stop returns the calls since record, and whether one of them failed.
func (i *injector) stop() (calls []call, reached bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.on = false
	return i.calls, i.reached
}

// next counts a call and says how it goes.
func (i *injector) next(name string) (w way, n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.on {
		return answered, 0
	}
	i.counts[name]++
	c := call{name, i.counts[name]}
	i.calls = append(i.calls, c)
	if c != i.target {
		return answered, c.n
	}
	i.reached = true
	return i.way, c.n
}

func (i *injector) hooks() host.Hooks {
	return host.Hooks{
		Bucket:   func(b bucket.Bucket) bucket.Bucket { return buckettest.Faulty{Bucket: b, Hook: i.bucket} },
		Online:   func(s online.Store) online.Store { return onlinetest.Faulty{Store: s, Hook: i.online} },
		Temporal: []grpc.DialOption{grpc.WithChainUnaryInterceptor(i.temporal)},
	}
}

// bucket names calls by the operation and what the object is.
func (i *injector) bucket(op, key string) buckettest.Fault {
	folder, rest, _ := strings.Cut(key, "/")
	name := "bucket " + op + " " + folder
	if folder == "offline" {
		name = "delta " + op + " data"
		if strings.Contains(rest, "_delta_log") {
			name = "delta " + op + " log"
		}
	}
	switch w, n := i.next(name); {
	case w == before:
		return buckettest.Refused
	case w == after:
		return buckettest.LostAnswer
	case w == hang && n%2 == 0:
		return buckettest.HangBefore
	case w == hang:
		return buckettest.HangAfter
	}
	return buckettest.None
}

func (i *injector) online(op string) onlinetest.Fault {
	switch w, n := i.next("online " + op); {
	case w == before:
		return onlinetest.Before
	case w == after:
		return onlinetest.After
	case w == hang && n%2 == 0:
		return onlinetest.Hang
	case w == hang:
		return onlinetest.HangAfter
	}
	return onlinetest.None
}

// temporal sees each attempt of a call. Calls that keep a worker known to the
// server are not part of a job.
func (i *injector) temporal(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	name := path.Base(method)
	do := func() error { return invoke(ctx, method, request, reply, conn, options...) }
	switch {
	case name == "ShutdownWorker", name == "RecordWorkerHeartbeat":
		return do()
	case strings.HasPrefix(name, "Poll"):
		return i.poll(ctx, name, reply, do)
	}
	w, n := i.next("temporal " + name)
	if w == answered {
		return do()
	}
	if w == after || w == hang && n%2 == 1 {
		_ = do() // nobody hears the answer
	}
	return fail(ctx, w)
}

// poll counts only polls that bring work, and has them fail with the work in
// their hands: of the others, there are as many as there is time.
func (i *injector) poll(ctx context.Context, name string, reply any, do func() error) error {
	work, ok := reply.(interface{ GetTaskToken() []byte })
	err := do()
	if err != nil || !ok || len(work.GetTaskToken()) == 0 {
		return err
	}
	w, _ := i.next("temporal " + name)
	if w == answered {
		return nil
	}
	proto.Reset(reply.(proto.Message))
	return fail(ctx, w)
}

func fail(ctx context.Context, w way) error {
	if w == hang {
		<-ctx.Done()
		return status.FromContextError(ctx.Err()).Err()
	}
	return status.Error(codes.Unavailable, "injected fault")
}
