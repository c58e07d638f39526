// Package host wires a worker: it opens the drivers that the configuration
// names, connects to Temporal, and runs the Temporal workers and the HTTP API
// in one process. The worker's main and the local stack both start it, so the
// embedded and the scaled product are the same code.
//
// It is the only place outside tests that imports drivers. Start either returns
// a host that serves, or an error with nothing left running; Stop drains: no new
// work is taken, running activities are cancelled and given time, then stores close.
package host
