// Package client is the Go client of Tilery's HTTP API.
//
// Errors that the server answered with are *api.Error, with its code; all others
// (no connection, a timeout, another server's answer) wrap the cause and name the
// address. Every call ends after two minutes at the latest, which is
// longer than its endpoint takes; calls for historical features end with their
// context, and yield their result while it is received.
package client
