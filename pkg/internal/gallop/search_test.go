package gallop_test

import (
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/internal/gallop"
)

func TestSearchFindsTheFirstThatIsReached(t *testing.T) {
	t.Parallel()
	for n := range 70 {
		for first := range n + 1 {
			asked := map[int]bool{}
			require.Equal(t, first, gallop.Search(n, func(i int) bool {
				require.GreaterOrEqual(t, i, 0)
				require.Less(t, i, n)
				require.False(t, asked[i], "%d is asked again", i)
				asked[i] = true
				return i >= first
			}), "of %d", n)
			require.LessOrEqual(t, len(asked), 2*bits.Len(uint(first))+1, "%d of %d: the near is found soon", first, n)
		}
	}
}
