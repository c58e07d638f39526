// Package report is what programs that measure or compare share: their main function,
// a profile, and what a benchmark found as the one line of JSON that each ends with.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Line is a benchmark's result. A ratio says in its name what is divided by what.
type Line struct {
	Bench   string
	Ratios  map[string]json.Number
	Figures map[string]any
}

// Print writes the line, with the load averages of the last 1, 5 and 15 minutes.
func (l Line) Print(out io.Writer) error {
	load, err := loadAverage()
	if err != nil {
		return err
	}
	data, err := json.Marshal(struct {
		Bench   string                 `json:"bench"`
		Ratios  map[string]json.Number `json:"ratios"`
		Figures map[string]any         `json:"figures"`
		Load    []json.Number          `json:"load"`
	}{l.Bench, l.Ratios, l.Figures, load})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", data)
	return err
}

// Round returns x with so many digits after the point.
func Round(x float64, digits int) json.Number {
	return json.Number(fmt.Sprintf("%.*f", digits, x))
}

// Median returns the middle one of values, or the mean of the two in the middle.
func Median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	middle := len(values) / 2
	if len(values)%2 == 0 {
		return (values[middle-1] + values[middle]) / 2
	}
	return values[middle]
}

func loadAverage() ([]json.Number, error) {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return nil, err
	}
	var load []json.Number
	for _, field := range strings.Fields(string(data))[:3] {
		load = append(load, json.Number(field))
	}
	return load, nil
}

// PeakMemory is the most that a process, by its number or "self", had resident at any
// time, in bytes.
func PeakMemory(process string) (int64, error) {
	data, err := os.ReadFile("/proc/" + process + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, errors.New("/proc tells no VmHWM")
}
