// Package onlinetest is the conformance suite of the online store's contract,
// and a store that fails on request.
//
// Run holds a driver to every sentence of online.Store: conditions, strong
// reads, key order, isolation of entities and stores from each other, limits,
// and, against a model that knows no encoding, any sequence of calls. What a
// driver survives (crashes, lost servers) is for the driver's own tests.
package onlinetest
