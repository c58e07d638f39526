package source

import "sync"

// cache remembers what was read, newest first: values of up to limit in weight,
// and as much again of older ones that are forgotten together.
type cache[K comparable, V any] struct {
	limit int
	weigh func(V) int

	mu            sync.Mutex
	recent, older map[K]V
	weight        int // of recent
}

func newCache[K comparable, V any](limit int, weigh func(V) int) *cache[K, V] {
	return &cache[K, V]{limit: limit, weigh: weigh, recent: make(map[K]V)}
}

func (c *cache[K, V]) get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if value, ok := c.recent[key]; ok {
		return value, true
	}
	value, ok := c.older[key]
	if ok {
		c.add(key, value)
	}
	return value, ok
}

func (c *cache[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key, value)
}

func (c *cache[K, V]) add(key K, value V) {
	weight := c.weigh(value)
	if weight > c.limit {
		return
	}
	if c.weight+weight > c.limit {
		c.older, c.recent, c.weight = c.recent, make(map[K]V), 0
	}
	if _, known := c.recent[key]; !known {
		c.weight += weight
	}
	c.recent[key] = value
}
