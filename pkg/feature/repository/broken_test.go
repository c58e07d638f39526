package repository_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature/repository"
)

var rewrite = flag.Bool("rewrite", false, "write what Parse says into testdata/broken")

var section = regexp.MustCompile(`(?m)^-- (\S+) --\n`)

// split reads a case: files, each below a line "-- path --", the last of which is
// the error that they give.
func split(t *testing.T, text string) (files []repository.File, want string) {
	marks := section.FindAllStringSubmatchIndex(text, -1)
	for i, mark := range marks {
		end := len(text)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		files = append(files, repository.File{Path: text[mark[2]:mark[3]], Content: text[mark[1]:end]})
	}
	last := len(files) - 1
	require.GreaterOrEqual(t, last, 1, "want a file and an error")
	require.Equal(t, "error", files[last].Path)
	return files[:last], files[last].Content
}

func TestBrokenRepositoriesAreExplained(t *testing.T) {
	names, err := filepath.Glob("testdata/broken/*.txt")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(names), 30)
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			files, want := split(t, string(data))
			_, err = repository.Parse(files)
			var broken *repository.Error
			require.ErrorAs(t, err, &broken)
			if *rewrite {
				kept := string(data)[:len(data)-len(want)]
				require.NoError(t, os.WriteFile(name, []byte(kept+err.Error()+"\n"), 0o600))
				return
			}
			require.Equal(t, want, err.Error()+"\n")
		})
	}
}
