package repository_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tilery/tilery/pkg/feature"
	"github.com/tilery/tilery/pkg/feature/repository"
)

const docs = "../../../docs/definitions.md"

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// The examples are one repository: each may refer to the others.
func TestDocumentedExamplesAreValid(t *testing.T) {
	text, err := os.ReadFile(docs)
	require.NoError(t, err)
	var examples []string
	for _, block := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
		examples = append(examples, block[1])
	}
	parsed, err := repository.Parse(yaml(strings.Join(examples, "---\n")))
	require.NoError(t, err)
	kinds := reflect.ValueOf(parsed.Repository)
	for i := range kinds.NumField() {
		require.NotZero(t, kinds.Field(i).Len(), "no example in %s", kinds.Type().Field(i).Name)
	}
}

func TestEveryFieldIsDocumented(t *testing.T) {
	text, err := os.ReadFile(docs)
	require.NoError(t, err)
	named := regexp.MustCompile("`[^`\n]+`").FindAllString(string(text), -1)
	words := map[string]bool{}
	for _, code := range named {
		for _, word := range regexp.MustCompile(`\w+`).FindAllString(code, -1) {
			words[word] = true
		}
	}
	for _, of := range []reflect.Type{
		reflect.TypeFor[feature.Entity](), reflect.TypeFor[feature.Field](), reflect.TypeFor[feature.BatchSource](),
		reflect.TypeFor[feature.FileConfig](), reflect.TypeFor[feature.DatetimePartitionColumn](), reflect.TypeFor[feature.BatchFeatureView](),
		reflect.TypeFor[feature.ViewSource](), reflect.TypeFor[feature.Aggregation](), reflect.TypeFor[feature.FeatureService](),
		reflect.TypeFor[feature.ServiceFeatures](), reflect.TypeFor[feature.TimeWindow](), reflect.TypeFor[feature.ViewTest](),
		reflect.TypeFor[feature.ExpectedFeatures](), reflect.TypeFor[feature.FeatureTable](),
	} {
		for _, field := range reflect.VisibleFields(of) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name != "" && field.Tag.Get("yaml") != "-" {
				require.True(t, words[name], "%s of %s is not in %s", name, of.Name(), docs)
			}
		}
	}
}
