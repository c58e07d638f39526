// Package ingest writes data frames into feature tables.
package ingest
