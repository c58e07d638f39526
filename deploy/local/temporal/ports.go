package temporal

import (
	"fmt"
	"net"
	"strconv"
)

const loopback = "127.0.0.1"

func hostPort(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

type ports struct {
	frontend, history, matching, worker int
	ui                                  int // 0 without a UI
}

// reservePorts finds a free port for each 0 and checks that the others are free.
// All are held until the last is known, so that they differ, and then let go for
// the server to listen on.
func reservePorts(frontend, ui int) (ports, error) {
	var p ports
	wanted := []struct {
		what string
		port int
		got  *int
	}{
		{"frontend", frontend, &p.frontend},
		{"history", 0, &p.history},
		{"matching", 0, &p.matching},
		{"worker", 0, &p.worker},
		{"UI", ui, &p.ui},
	}
	for _, w := range wanted {
		if w.port < 0 {
			continue
		}
		l, err := net.Listen("tcp", hostPort(w.port))
		if err != nil {
			return ports{}, fmt.Errorf("%s port: %w", w.what, err)
		}
		defer l.Close() // all at once, at the end
		*w.got = l.Addr().(*net.TCPAddr).Port
	}
	return p, nil
}
