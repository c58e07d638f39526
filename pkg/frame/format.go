package frame

import (
	"fmt"
	"mime"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Format is a file format of data frames.
type Format string

// The formats. Arrow is IPC: both its stream and its file form are read, the stream
// form is written.
const (
	Parquet Format = "parquet"
	Arrow   Format = "arrow"
	JSON    Format = "ndjson"
	CSV     Format = "csv"
)

// names are what stands for a format, the preferred one first.
type names struct {
	format     Format
	extensions []string
	mediaTypes []string
}

// formats come in the order in which Negotiate prefers them.
var formats = []names{
	{Parquet, []string{".parquet"}, []string{"application/vnd.apache.parquet", "application/parquet", "application/x-parquet"}},
	{Arrow, []string{".arrow", ".feather", ".ipc"}, []string{"application/vnd.apache.arrow.stream", arrowFile}},
	{JSON, []string{".ndjson", ".jsonl", ".json"}, []string{"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json"}},
	{CSV, []string{".csv"}, []string{"text/csv"}},
}

// arrowFile is read and not written.
const arrowFile = "application/vnd.apache.arrow.file"

// ParseFormat returns the format of that name.
func ParseFormat(name string) (Format, error) {
	var known []string
	for _, n := range formats {
		if string(n.format) == name {
			return n.format, nil
		}
		known = append(known, string(n.format))
	}
	return "", fmt.Errorf("unknown format %q, want one of %s", name, strings.Join(known, ", "))
}

// FormatOf returns the format that the extension of a file's path stands for, in
// upper or lower case.
func FormatOf(file string) (Format, error) {
	extension := strings.ToLower(path.Ext(file))
	var known []string
	for _, n := range formats {
		if slices.Contains(n.extensions, extension) {
			return n.format, nil
		}
		known = append(known, n.extensions...)
	}
	return "", fmt.Errorf("%q does not tell its format, want one of the extensions %s", file, strings.Join(known, ", "))
}

// MediaType returns what stands in the Content-Type of an answer in f.
func (f Format) MediaType() string {
	for _, n := range formats {
		if n.format == f {
			return n.mediaTypes[0]
		}
	}
	return "application/octet-stream"
}

// FormatOfMediaType returns the format that a Content-Type stands for. It is empty,
// without an error, for a type that tells nothing: none, or application/octet-stream.
func FormatOfMediaType(contentType string) (Format, error) {
	if strings.TrimSpace(contentType) == "" {
		return "", nil
	}
	media, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", fmt.Errorf("content type %q: %w", contentType, err)
	}
	if charset := strings.ToLower(parameters["charset"]); charset != "" && charset != "utf-8" && charset != "us-ascii" {
		return "", fmt.Errorf("content type %q: only UTF-8 is read", contentType)
	}
	if media == "application/octet-stream" {
		return "", nil
	}
	for _, n := range formats {
		if slices.Contains(n.mediaTypes, media) {
			return n.format, nil
		}
	}
	return "", fmt.Errorf("content type %q is none of %s", media, strings.Join(mediaTypes(), ", "))
}

func mediaTypes() []string {
	types := make([]string, len(formats))
	for i, n := range formats {
		types[i] = n.mediaTypes[0]
	}
	return types
}

// maxRanges bounds what Negotiate reads of a header.
const maxRanges = 64

// Negotiate returns the format that an Accept header prefers. Of those that it likes
// equally it is the first of Parquet, Arrow, JSON and CSV; so it is Parquet, which keeps
// all types and is the smallest, for */* and for no header.
func Negotiate(accept string) (Format, error) {
	if strings.TrimSpace(accept) == "" {
		return Parquet, nil
	}
	ranges := parseAccept(accept)
	best, bestQuality := Format(""), 0.0
	for _, n := range formats {
		if q := n.quality(ranges); q > bestQuality {
			best, bestQuality = n.format, q
		}
	}
	if best == "" {
		return "", fmt.Errorf("accept %q has none of %s", accept, strings.Join(mediaTypes(), ", "))
	}
	return best, nil
}

type mediaRange struct {
	media   string
	quality float64
}

// parseAccept returns the ranges of a header that can be read.
func parseAccept(accept string) (ranges []mediaRange) {
	for i, element := range strings.Split(accept, ",") {
		media, parameters, err := mime.ParseMediaType(element)
		if err != nil || i >= maxRanges {
			continue
		}
		quality := 1.0
		if text, ok := parameters["q"]; ok {
			if quality, err = strconv.ParseFloat(text, 64); err != nil || !(quality >= 0 && quality <= 1) {
				continue
			}
		}
		ranges = append(ranges, mediaRange{media, quality})
	}
	return ranges
}

// quality returns how much ranges like the format: the most specific range of its
// media type counts, or one that names another of its types if it likes that more.
func (n names) quality(ranges []mediaRange) (best float64) {
	major, _, _ := strings.Cut(n.mediaTypes[0], "/")
	specificity := 0
	for _, r := range ranges {
		if s := 1 + slices.Index([]string{"*/*", major + "/*", n.mediaTypes[0]}, r.media); s > specificity {
			specificity, best = s, r.quality
		}
	}
	for _, r := range ranges {
		if r.media != arrowFile && slices.Contains(n.mediaTypes[1:], r.media) {
			best = max(best, r.quality)
		}
	}
	return best
}
