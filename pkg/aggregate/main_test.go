package aggregate_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

// TestMain settles rapid's seed, so that tests can print it, and how much it tries.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", rapidChecks); err != nil {
		panic(err) //nolint:forbidigo // rapid's flag is not what it was
	}
	flag.Parse()
	if seed().String() == "0" {
		if err := seed().Set(fmt.Sprint(1 + rand.Uint64()>>1)); err != nil {
			panic(err) //nolint:forbidigo // rapid's flag is not what it was
		}
	}
	os.Exit(m.Run())
}

func seed() flag.Value { return flag.Lookup("rapid.seed").Value }
