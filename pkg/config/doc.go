// Package config is the worker's configuration: one YAML file, then environment
// variables over it, then defaults for what neither says.
//
// Defaults are safe: everything listens on loopback, and a server that would be
// reachable from other machines must be asked for (http.allow_remote), because
// it does not check keys yet. Unknown fields are errors.
package config
