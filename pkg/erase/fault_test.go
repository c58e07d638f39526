package erase_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket/buckettest"
	"github.com/tilery/tilery/pkg/erase"
)

// A deletion that dies at any call that changes something, and goes on from there, ends
// as one that does not.
func TestAStepThatFailsAnywhereIsRepeated(t *testing.T) {
	t.Parallel()
	for i, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			events := randomEvents(uint64(i), 200, 12)
			until := start.Add(day)
			request := erase.Request{Online: true, Offline: true, Forget: &until, Datasets: true}
			// run makes a deletion with a fault at a call, and returns how many calls there were.
			run := func(fault buckettest.Fault, at int) int {
				s := newFilled(t, kind, events)
				before := s.allContents()
				calls := 0
				s.fault = func(op, _ string) buckettest.Fault {
					if !strings.HasPrefix(op, "Put") && op != "Write" && op != "Close" && op != "Delete" {
						return buckettest.None
					}
					if calls++; calls == at {
						return fault
					}
					return buckettest.None
				}
				s.delete(request, 1, 2, 3)
				s.fault = func(string, string) buckettest.Fault { return buckettest.None }
				require.Equal(t, withoutAll(before, s.keys([]int{1, 2, 3})), s.allContents(), "fault %d at call %d", fault, at)
				_, err := s.engine.Sweep(t.Context(), "prod", s.now().Add(day)) // the keys of a Stage that was not heard of
				require.NoError(t, err)
				for info, err := range s.bucket.List(t.Context(), "deletions/", "") {
					require.NoError(t, err)
					require.Fail(t, "left", info.Key)
				}
				receipts, err := s.engine.Receipts(t.Context(), "prod", "spending", 10)
				require.NoError(t, err)
				require.Len(t, receipts, 1)
				fences, err := s.engine.Fences.List(t.Context(), "prod", "spending")
				require.NoError(t, err)
				require.NotEmpty(t, fences)
				return calls
			}
			calls := run(buckettest.None, -1)
			require.Greater(t, calls, 20)
			for n := range 8 {
				fault := []buckettest.Fault{buckettest.Refused, buckettest.LostAnswer}[n%2]
				run(fault, 1+(n*calls+i)/8)
			}
		})
	}
}
