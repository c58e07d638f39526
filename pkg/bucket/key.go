package bucket

import (
	"fmt"
	"strings"
)

// Limits of a key. S3 allows 1024 bytes, file systems 255 in a name.
const (
	maxKeyBytes     = 1024
	maxSegmentBytes = 255
)

// ValidateKey returns an error that wraps ErrInvalidKey unless key is 1 to 1024
// bytes of [A-Za-z0-9._=/-], does not begin with '.', and consists, between its
// slashes, of segments of 1 to 255 bytes other than "." and "..".
func ValidateKey(key string) error {
	if len(key) > maxKeyBytes {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrInvalidKey, len(key), maxKeyBytes)
	}
	if strings.HasPrefix(key, ".") {
		return fmt.Errorf("%w %q: begins with '.', which is kept for files of the store itself", ErrInvalidKey, key)
	}
	for segment := range strings.SplitSeq(key, "/") {
		switch {
		case segment == "", segment == ".", segment == "..":
			return fmt.Errorf("%w %q: has a segment %q", ErrInvalidKey, key, segment)
		case len(segment) > maxSegmentBytes:
			return fmt.Errorf("%w %q: has a segment of %d bytes, at most %d are allowed", ErrInvalidKey, key, len(segment), maxSegmentBytes)
		}
	}
	for i := range len(key) {
		if !allowed(key[i]) {
			return fmt.Errorf("%w %q: has byte %q, only [A-Za-z0-9._=/-] are allowed", ErrInvalidKey, key, key[i])
		}
	}
	return nil
}

// ValidatePrefix returns an error that wraps ErrInvalidKey unless some valid key
// begins with prefix. Drivers call it before a prefix becomes part of a path.
func ValidatePrefix(prefix string) error {
	if prefix == "" || ValidateKey(prefix) == nil {
		return nil
	}
	// One more byte completes the last segment: "a/" begins "a/0", "a/." begins "a/.0".
	return ValidateKey(prefix + "0")
}

func allowed(c byte) bool {
	switch {
	case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("._=/-", c) >= 0
}
