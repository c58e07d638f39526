// Package serve answers the HTTP API: online feature vectors in Tecton's shapes,
// and plan and apply.
//
// A request uses one generation of the definitions and one status of each
// store. The status is read before the cells: cells outlive the watermark that
// a status names, so an old status gives an older vector, never a torn one.
// Bodies, concurrency and time are bounded; past a bound the answer is an error
// with Tecton's code, never half a vector.
package serve
