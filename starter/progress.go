package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/tilery/tilery/workflows"
)

// progressBar draws on a terminal, and writes a line at each change elsewhere.
type progressBar struct {
	w        io.Writer
	terminal bool
	last     string
}

const barWidth = 30

func newProgressBar(w io.Writer) *progressBar {
	b := &progressBar{w: w}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		b.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return b
}

func (b *progressBar) show(p workflows.MaterializeResult) {
	if p.Waiting {
		b.draw("waiting: as many jobs of the view run as may at a time")
		return
	}
	if p.Windows == 0 {
		return
	}
	finished := p.Committed + p.Done + p.Superseded
	filled := barWidth * finished / p.Windows
	line := fmt.Sprintf("[%s%s] %d/%d windows committed, %d built, %d tiles",
		strings.Repeat("=", filled), strings.Repeat(" ", barWidth-filled), finished, p.Windows, p.Built, p.Rows)
	if p.Failed > 0 {
		line += fmt.Sprintf(", %d failed", p.Failed)
	}
	b.draw(line)
}

func (b *progressBar) draw(line string) {
	if line == b.last {
		return
	}
	b.last = line
	if b.terminal {
		fmt.Fprintf(b.w, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(b.w, line)
}

func (b *progressBar) done() {
	if b.terminal && b.last != "" {
		fmt.Fprintln(b.w)
	}
}
