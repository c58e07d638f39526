package temporal_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/deploy/local/temporal"
)

func TestAllListenersAreOnLoopback(t *testing.T) {
	s := start(t, temporal.Options{DataDir: t.TempDir()})
	defer s.Stop()
	addresses := listening(t)
	require.Len(t, addresses, 5, "frontend, history, matching, worker, UI: %v", addresses)
	for _, address := range addresses {
		require.True(t, strings.HasPrefix(address, "0100007F:"), "%s is not 127.0.0.1 in the kernel's notation", address)
	}
}

// listening returns the local addresses, as in /proc/net/tcp, of this process's
// listening sockets.
func listening(t *testing.T) []string {
	t.Helper()
	own := map[string]bool{}
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			own[target] = true
		}
	}
	var addresses []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		require.NoError(t, err)
		for _, line := range strings.Split(string(text), "\n")[1:] {
			const listen = "0A"
			f := strings.Fields(line) // sl local_address rem_address st … uid timeout inode
			if len(f) > 9 && f[3] == listen && own[fmt.Sprintf("socket:[%s]", f[9])] {
				addresses = append(addresses, f[1])
			}
		}
	}
	return addresses
}
