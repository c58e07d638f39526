package file_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/bucket"
	"github.com/tilery/tilery/pkg/bucket/file"
)

// The variables that tell a child process what to be, and over which directory.
const (
	childVariable  = "BUCKET_FILE_TEST_CHILD"
	folderVariable = "BUCKET_FILE_TEST_FOLDER"
)

// A child answers on its standard output, line by line.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

func startChild(t *testing.T, kind, folder string) *child {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childVariable+"="+kind, folderVariable+"="+folder)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &child{cmd: cmd, stdin: stdin, lines: bufio.NewScanner(stdout)}
}

func runChild(kind string) {
	b, err := file.Open(os.Getenv(folderVariable))
	if err == nil {
		switch kind {
		case "racer":
			err = race(b)
		case "writer":
			err = writeUntilKilled(b)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// race puts each key that it is told to, and answers "won <its bytes>" or "lost".
func race(b *file.Bucket) error {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		data := fmt.Sprintf("%s-by-%d", in.Text(), os.Getpid())
		switch err := b.PutIfAbsent(context.Background(), in.Text(), []byte(data)); {
		case err == nil:
			fmt.Println("won", data)
		case errors.Is(err, bucket.ErrExists):
			fmt.Println("lost")
		default:
			return err
		}
	}
	return nil
}

func TestB3RacingProcessesHaveOneWinner(t *testing.T) {
	const processes, keys = 4, 10_000
	folder := memoryFolder(t)
	children := make([]*child, processes)
	for i := range children {
		children[i] = startChild(t, "racer", folder)
	}
	b, err := file.Open(folder)
	require.NoError(t, err)
	begun := time.Now()
	wins := make([]int, processes)
	for i := range keys {
		key := fmt.Sprintf("race/%d/%d", i/20, i)
		for _, c := range children {
			_, err := fmt.Fprintln(c.stdin, key)
			require.NoError(t, err)
		}
		winner := ""
		for n, c := range children {
			require.True(t, c.lines.Scan(), "process %d ended", n)
			if data, won := strings.CutPrefix(c.lines.Text(), "won "); won {
				require.Empty(t, winner, "%s has a second winner", key)
				winner = data
				wins[n]++
			}
		}
		data, err := b.Get(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, winner, string(data))
	}
	t.Logf("%d processes raced for each of %d keys in %v, wins %v", processes, keys, time.Since(begun).Round(time.Millisecond), wins)
}

// writeUntilKilled writes objects of up to 256 KiB by all three ways of writing, and
// says after each write which version of which key is now durable. It starts over
// at a version past those that an earlier writer left.
func writeUntilKilled(b *file.Bucket) error {
	ctx := context.Background()
	base := time.Now().UnixNano()
	for version := base; ; version++ {
		data := sealed(version)
		var key string
		var err error
		switch n := version - base; n % 3 {
		case 0:
			key = fmt.Sprintf("put/%d", n%5)
			err = b.Put(ctx, key, data)
		case 1:
			key = fmt.Sprintf("once/%d/%d", n%7, version)
			err = b.PutIfAbsent(ctx, key, data)
		case 2:
			key = fmt.Sprintf("upload/%d", version)
			err = upload(ctx, b, key, data)
		}
		if err != nil {
			return err
		}
		fmt.Println(key, version)
	}
}

func upload(ctx context.Context, b *file.Bucket, key string, data []byte) error {
	w, err := b.Create(ctx, key)
	if err != nil {
		return err
	}
	defer w.Abort()
	for part := range slices.Chunk(data, 10_000) {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return w.Close()
}

// sealed returns a content that shows by its first line whether it is whole.
func sealed(version int64) []byte {
	body := bytes.Repeat(fmt.Appendf(nil, "%d\n", version), int(uint64(version)*2654435761%13_000))
	sum := sha256.Sum256(body)
	return fmt.Appendf(nil, "%d %s\n%s", version, hex.EncodeToString(sum[:]), body)
}

func unseal(data []byte) (version int64, err error) {
	var want string
	if _, err := fmt.Fscan(bytes.NewReader(data), &version, &want); err != nil {
		return 0, err
	}
	_, body, _ := bytes.Cut(data, []byte("\n"))
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != want {
		return 0, fmt.Errorf("version %d is torn: %d bytes", version, len(data))
	}
	return version, nil
}

func TestKilledWriterLeavesWholeObjectsOnly(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	folder := t.TempDir()
	acknowledged := map[string]int64{}
	left := 0
	for range 20 {
		writer := startChild(t, "writer", folder)
		for range 1 + rng.IntN(40) {
			require.True(t, writer.lines.Scan(), "the writer ended by itself")
			acknowledge(t, acknowledged, writer.lines.Text())
		}
		require.NoError(t, writer.cmd.Process.Signal(syscall.SIGKILL))
		for writer.lines.Scan() { // said before the kill, read after it
			acknowledge(t, acknowledged, writer.lines.Text())
		}

		b, err := file.Open(folder)
		require.NoError(t, err)
		versions := map[string]int64{}
		for info, err := range b.List(t.Context(), "", "") {
			require.NoError(t, err)
			data, err := b.Get(t.Context(), info.Key)
			require.NoError(t, err)
			versions[info.Key], err = unseal(data)
			require.NoError(t, err, info.Key)
		}
		for key, version := range acknowledged {
			require.GreaterOrEqual(t, versions[key], version, "%s went back", key)
		}
		temps, err := os.ReadDir(filepath.Join(folder, ".tmp"))
		require.NoError(t, err)
		left = len(temps)
	}
	t.Logf("%d keys acknowledged, %d temporary files left", len(acknowledged), left)
}

func acknowledge(t *testing.T, acknowledged map[string]int64, line string) {
	var key string
	var version int64
	_, err := fmt.Sscan(line, &key, &version)
	require.NoError(t, err, line)
	acknowledged[key] = version
}
