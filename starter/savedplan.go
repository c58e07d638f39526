package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tilery/tilery/pkg/api"
	"github.com/tilery/tilery/pkg/feature/repository"
	"github.com/tilery/tilery/pkg/registry"
)

// savedPlanFormat of the files that plan --out writes.
const savedPlanFormat = 1

// maxSavedPlan bounds a file that apply reads, in bytes: a plan may hold every SQL text twice.
const maxSavedPlan = 4 * repository.MaxBytes

// savedPlan is a plan in a file. It is applied only if nothing has changed since:
// neither the files, nor the workspace, nor what the server makes of them.
type savedPlan struct {
	Format      int              `json:"format"`
	PlanID      string           `json:"plan_id"`
	Directory   string           `json:"directory"` // absolute
	FilesDigest string           `json:"files_digest"`
	Plan        api.PlanResponse `json:"plan"`
}

// planID identifies what a plan changes, by 32 hexadecimal digits. What that costs
// is left out: it depends on the time of asking.
func planID(files []repository.File, plan registry.Plan) (string, error) {
	return digest(struct {
		Files     []repository.File
		Workspace string
		Base      int64
		Changes   []registry.Change
	}{files, plan.Workspace, plan.Base, plan.Changes})
}

func digest(v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("plan id: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16]), nil
}

// save writes the plan of the directory to a file.
func (p planned) save(path string) error {
	absolute, err := filepath.Abs(p.directory)
	if err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	files, err := digest(p.request.Files)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(savedPlan{savedPlanFormat, p.id, absolute, files, p.response}, "", "  ")
	if err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	return nil
}

func loadPlan(path string) (savedPlan, error) {
	var saved savedPlan
	info, err := os.Stat(path)
	if err != nil {
		return saved, fmt.Errorf("saved plan: %w", err)
	}
	if info.Size() > maxSavedPlan {
		return saved, fmt.Errorf("saved plan %s is longer than %d bytes", path, maxSavedPlan)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return saved, fmt.Errorf("saved plan: %w", err)
	}
	if err := json.Unmarshal(data, &saved); err != nil {
		return saved, fmt.Errorf("saved plan %s: is it from tilery plan --out?: %w", path, err)
	}
	if saved.Format != savedPlanFormat {
		return saved, fmt.Errorf("saved plan %s has format %d, this version of tilery knows %d: plan again", path, saved.Format, savedPlanFormat)
	}
	return saved, nil
}

var errPlanAgain = errors.New("plan again")

// checkFiles refuses files that are not those of the plan.
func (s savedPlan) checkFiles(files []repository.File) error {
	now, err := digest(files)
	if err == nil && now != s.FilesDigest {
		err = fmt.Errorf("%s has changed since the plan was made: %w", s.Directory, errPlanAgain)
	}
	return err
}

// checkAnswer refuses an answer that is not the plan.
func (s savedPlan) checkAnswer(p planned) error {
	switch {
	case p.response.Base != s.Plan.Base:
		return fmt.Errorf("workspace %s is at generation %d, by an apply or a store that began to serve, the plan was made against %d: %w", s.Plan.Workspace, p.response.Base, s.Plan.Base, errPlanAgain)
	case p.id != s.PlanID:
		return fmt.Errorf("the server makes other changes of the same files now: %w", errPlanAgain)
	}
	return nil
}
