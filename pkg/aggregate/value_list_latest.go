package aggregate

import "github.com/apache/arrow/go/v15/arrow"

// latestNumbers holds the last Bool or number of each group.
type latestNumbers struct {
	of   []latestNumber
	keys []int64 // scratch
}

type latestNumber struct {
	listEntry
	seen bool
}

func (p *latestNumbers) grow(n int)   { p.of = extend(p.of, n) }
func (p *latestNumbers) reset()       { p.of = p.of[:0] }
func (p *latestNumbers) bytes() int64 { return bytesOf(p.of) }

func (p *latestNumbers) add(groups []int32, times []arrow.Timestamp, values arrow.Array) {
	p.keys = appendKeys(p.keys[:0], values, 0, len(groups))
	for i, g := range groups {
		if g >= 0 {
			p.of[g].raise(listEntry{int64(times[i]), p.keys[i]})
		}
	}
}

func (e *latestNumber) raise(to listEntry) {
	if !e.seen || e.below(to) {
		*e = latestNumber{to, true}
	}
}

func (p *latestNumbers) offer(group int, v timedValue) {
	p.of[group].raise(listEntry{v.time, v.key})
}

func (p *latestNumbers) read(dst []timedValue, group int) []timedValue {
	if e := p.of[group]; e.seen {
		dst = append(dst, timedValue{time: e.time, key: e.key})
	}
	return dst
}

// latestTexts holds the last String or array of each group.
type latestTexts struct {
	listSpec
	of     []latestText
	runs   textRuns
	arrays arrayScratch
}

type latestText struct {
	time int64
	text []byte // nil: none
}

func (p *latestTexts) grow(n int)   { p.of = extend(p.of, n) }
func (p *latestTexts) bytes() int64 { return bytesOf(p.of) + p.runs.bytes() }

func (p *latestTexts) reset() {
	p.of = p.of[:0]
	p.runs.reset()
}

func (p *latestTexts) add(groups []int32, times []arrow.Timestamp, values arrow.Array) {
	if len(groups) == 0 {
		return
	}
	column := newTextColumn(values, &p.arrays)
	for i, g := range groups {
		if g < 0 {
			continue
		}
		// Older values need not be read.
		if e := &p.of[g]; e.text == nil || int64(times[i]) >= e.time {
			column.rewind()
			p.offer(int(g), timedValue{time: int64(times[i]), text: column.at(i)})
		}
	}
}

func (p *latestTexts) offer(group int, v timedValue) {
	e := &p.of[group]
	if e.text != nil && p.compare(v, timedValue{time: e.time, text: e.text}) <= 0 {
		return
	}
	e.time = v.time
	e.text = append(p.runs.grown(e.text[:0], max(len(v.text), 1)), v.text...)
}

func (p *latestTexts) read(dst []timedValue, group int) []timedValue {
	if e := p.of[group]; e.text != nil {
		dst = append(dst, timedValue{time: e.time, text: e.text})
	}
	return dst
}
