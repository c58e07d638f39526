package gallop

import "sort"

// Search returns the least i in [0, n) that is reached, or n if none is. Behind one that is
// reached, all are.
func Search(n int, reached func(i int) bool) int {
	step := 1
	for step <= n && !reached(step-1) {
		step *= 2
	}
	from, to := step/2, min(step-1, n) // before from none is reached; to is, or is n
	return from + sort.Search(to-from, func(i int) bool { return reached(from + i) })
}
