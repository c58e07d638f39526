// Package erase deletes the rows of keys from every store of a view, and proves it.
package erase
