package bucket_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tilery/tilery/pkg/bucket"
)

func TestEveryBeginningOfAKeyIsAPrefixAndNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ab.=/ -]{0,8}`).Draw(t, "text")
		if bucket.ValidateKey(text) == nil {
			for i := range len(text) + 1 {
				require.NoError(t, bucket.ValidatePrefix(text[:i]))
			}
		}
		if bucket.ValidatePrefix(text) == nil && text != "" {
			require.NoError(t, bucket.ValidateKey(text+"a"))
		}
	})
}
