package api

import (
	"encoding/json"
	"time"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/window"
)

// Endpoints of deletion.
const (
	// DeleteKeysPath takes POST and answers with a DeleteKeysResponse. The body is a file
	// of join keys, in the format that Content-Type or format names, and the rest are
	// parameters of the query; or, without any parameter, a DeleteKeysRequest.
	DeleteKeysPath = "/api/v1/jobs/delete-keys"
	// DeletionStatusPath takes a DeletionStatusRequest and answers with a
	// MaterializationStatusResponse, whose jobs have the type DELETION.
	DeletionStatusPath = "/api/v1/jobs/deletion-status"
	// DeletionReceiptsPath takes GET with the parameters workspace and feature_view, and
	// answers with a DeletionReceiptsResponse: the newest first, limit of them; with
	// job_id, that of one job.
	DeletionReceiptsPath = "/api/v1/jobs/deletion-receipts"
	// LiftDeletionPath takes a LiftDeletionRequest.
	LiftDeletionPath = "/api/v1/jobs/lift-deletion"
)

// Parameters of the query at DeleteKeysPath and DeletionReceiptsPath, beside
// WorkspaceParameter, FormatParameter and LimitParameter.
const (
	FeatureViewParameter = "feature_view" // or feature table
	OnlineParameter      = "online"       // default true
	OfflineParameter     = "offline"      // default true
	ForgetUntilParameter = "forget_until" // a time, or now
	DatasetsParameter    = "datasets"     // default false
	JobParameter         = "job_id"
)

// ForgetNow is a value of ForgetUntilParameter.
const ForgetNow = "now"

// DeleteKeysRequest asks to delete the rows of keys from the stores of a view or a
// feature table.
type DeleteKeysRequest struct {
	Workspace   string `json:"workspace"`
	FeatureView string `json:"feature_view"`
	// Keys has as many values for each join key.
	Keys    map[string][]json.RawMessage `json:"keys"`
	Online  *bool                        `json:"online,omitempty"`  // absent: true
	Offline *bool                        `json:"offline,omitempty"` // absent: true
	// ForgetUntil holds rows of the keys before that time back, until that is lifted: a
	// time, or now.
	ForgetUntil string `json:"forget_until,omitempty"`
	// Datasets removes the saved datasets that were made of the view and hold a key.
	Datasets bool `json:"datasets,omitempty"`
}

// DeleteKeysResponse names the jobs that were started. What fails later, they tell.
type DeleteKeysResponse struct {
	JobIDs []string `json:"job_ids"`
}

// DeletionStatusRequest has the options of a MaterializationStatusRequest.
type DeletionStatusRequest = MaterializationStatusRequest

// DeletionReceiptsResponse has receipts, the newest first.
type DeletionReceiptsResponse struct {
	Receipts []DeletionReceipt `json:"receipts"`
}

// DeletionReceipt says what a job deleted. It names no key. Times are real time, UTC.
type DeletionReceipt struct {
	JobID       string          `json:"job_id"`
	Workspace   string          `json:"workspace"`
	FeatureView string          `json:"feature_view"`
	Online      bool            `json:"online"`
	Offline     bool            `json:"offline"`
	ForgetUntil *window.Time    `json:"forget_until,omitempty"`
	JoinKeys    []feature.Field `json:"join_keys"`
	Keys        int             `json:"keys"`
	Duplicates  int             `json:"duplicates,omitempty"` // that were dropped
	// Digest is that of the hashed keys: who has the keys can tell that they are meant.
	Digest   string           `json:"digest"`
	StagedAt time.Time        `json:"staged_at"`
	DoneAt   time.Time        `json:"done_at"`
	Stores   []DeletedStore   `json:"stores"`
	Datasets []DeletedDataset `json:"datasets,omitempty"` // that may hold the keys
	// OldVersionsUntil is when maintenance may remove the files that held the keys, and
	// VacuumedAt when it did. Neither: no file held one.
	OldVersionsUntil *time.Time `json:"old_versions_until,omitempty"`
	VacuumedAt       *time.Time `json:"vacuumed_at,omitempty"`
}

// DeletedStore is what a job did to one store of the view.
type DeletedStore struct {
	Generation    int64  `json:"generation"` // of its definition
	Fingerprint   string `json:"fingerprint"`
	Retired       bool   `json:"retired,omitempty"`
	Online        bool   `json:"online"`
	Offline       bool   `json:"offline"`
	Version       int64  `json:"version,omitempty"` // of the offline table, of the erasure
	Files         int    `json:"files"`             // that held the keys
	Rows          int64  `json:"rows"`              // erased offline
	Cells         int64  `json:"cells"`             // erased online
	VerifiedRows  int64  `json:"verified_rows"`
	VerifiedCells int64  `json:"verified_cells"`
}

// DeletedDataset is a saved dataset that was made of the view.
type DeletedDataset struct {
	Name    string `json:"name"`
	Removed bool   `json:"removed"`
}

// LiftDeletionRequest asks that rows of the keys that a job deleted are let through
// again.
type LiftDeletionRequest struct {
	Workspace   string `json:"workspace"`
	FeatureView string `json:"feature_view"`
	JobID       string `json:"job_id"`
	// Restore starts a job that materializes again what was held back; absent: true. What
	// was held back of a feature table has to be ingested again.
	Restore *bool `json:"restore,omitempty"`
}

// LiftDeletionResponse tells what was lifted.
type LiftDeletionResponse struct {
	Until window.Time `json:"until"` // rows before it were held back
	Keys  int         `json:"keys"`
	Job   string      `json:"job,omitempty"` // the workflow that materializes again, on Temporal; absent: none
}
