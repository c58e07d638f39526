// Package gallop searches what is sorted for an answer that is likely near the beginning.
//
// So it is when two sorted lists are walked along each other, and each answer is searched
// from the last one on. An answer at i takes about 2·log2(i) questions, whatever the length;
// sort.Search, which begins in the middle, takes log2 of the length. No candidate is asked
// twice, as to ask may mean to encode a key.
//
// How it fails: it does not. In what is not sorted it finds some candidate, as sort.Search
// does.
package gallop
