package config

import (
	"errors"
	"fmt"
	"time"
)

// Retry says how long the long activities of jobs are tried.
type Retry struct {
	// InfrastructureAttempts is how many attempts may end with their worker, killed
	// or out of reach; the next begins at once: 100.
	InfrastructureAttempts int `yaml:"infrastructure_attempts"`
	// FailureAttempts is how many attempts may fail by themselves: 10.
	FailureAttempts int `yaml:"failure_attempts"`
	// FailureBackoff is how long to wait after the first failure, twice as long after
	// each further one up to MaxBackoff: 5m and 1h.
	FailureBackoff time.Duration `yaml:"failure_backoff"`
	MaxBackoff     time.Duration `yaml:"max_backoff"`
}

const (
	maxAttempts           = 1000
	defaultJobsPerView    = 16
	maxJobsPerView        = 1000
	defaultInfrastructure = 100
	defaultFailures       = 10
	defaultBackoff        = 5 * time.Minute
	defaultMaxBackoff     = time.Hour
)

func (r *Retry) ensureDefaults() {
	if r.InfrastructureAttempts == 0 {
		r.InfrastructureAttempts = defaultInfrastructure
	}
	if r.FailureAttempts == 0 {
		r.FailureAttempts = defaultFailures
	}
	if r.FailureBackoff == 0 {
		r.FailureBackoff = defaultBackoff
	}
	if r.MaxBackoff == 0 {
		r.MaxBackoff = max(defaultMaxBackoff, r.FailureBackoff)
	}
}

func (r Retry) validate() error {
	for name, n := range map[string]int{"infrastructure_attempts": r.InfrastructureAttempts, "failure_attempts": r.FailureAttempts} {
		if n < 1 || n > maxAttempts {
			return fmt.Errorf("configuration: retry.%s: want 1 to %d, got %d", name, maxAttempts, n)
		}
	}
	if r.FailureBackoff < 0 || r.MaxBackoff < r.FailureBackoff {
		return errors.New("configuration: retry: want failure_backoff from 0 to max_backoff")
	}
	return nil
}
