// Package buckettest holds drivers against the contract of package bucket: Run is
// the suite that each must pass, Race its test of put-if-absent at a strength that
// the caller chooses, and Faulty a bucket whose answers get lost.
//
// Explore tests protocols that stand on a bucket: it plays what several processes
// do in every order of their calls, with crashes and lost answers at each of them.
package buckettest
