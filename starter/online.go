package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/api"
)

func (c *cli) getOnlineCommand() *cobra.Command {
	var keys []string
	service := false
	command := &cobra.Command{
		Use:     "get-online VIEW --key NAME=VALUE",
		Short:   "Read one feature vector from the online store",
		Long:    "Read the features of VIEW, or with --service of the feature service of that name, for one set of join keys.",
		Example: "  tilery get-online airport_delays --key origin=ATL\n  tilery get-online fraud --service --key buyer=17",
		Args:    exactArgs("VIEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			joinKeys := map[string]any{}
			for _, key := range keys {
				name, value, ok := strings.Cut(key, "=")
				_, again := joinKeys[name]
				switch {
				case !ok || name == "":
					return usageError{fmt.Errorf("--key %s: want NAME=VALUE", key)}
				case again:
					return usageError{fmt.Errorf("--key %s: %s is given twice", key, name)}
				}
				joinKeys[name] = value
			}
			params := api.GetFeaturesParams{
				WorkspaceName: c.workspace, JoinKeyMap: joinKeys,
				MetadataOptions: api.MetadataOptions{
					IncludeNames: true, IncludeEffectiveTimes: true, IncludeDataTypes: true, IncludeServingStatus: true,
				},
			}
			if service {
				params.FeatureServiceName = args[0]
			} else {
				params.FeatureViewName = args[0]
			}
			response, err := c.client().GetFeatures(cmd.Context(), params)
			if err != nil {
				return err
			}
			return c.printVector(response)
		},
	}
	command.Flags().StringArrayVarP(&keys, "key", "k", nil, "join key as NAME=VALUE; repeat for composite keys")
	command.Flags().BoolVar(&service, "service", false, "VIEW is a feature service")
	return command
}

func (c *cli) printVector(response api.GetFeaturesResponse) error {
	if c.output == "json" {
		return printJSON(c.out, response)
	}
	if response.Metadata == nil || len(response.Metadata.Features) != len(response.Result.Features) {
		return errors.New("the server's answer does not describe its values, is it of another version?")
	}
	var rows [][]string
	for i, value := range response.Result.Features {
		text, err := valueText(value)
		if err != nil {
			return err
		}
		m, dataType, effective := response.Metadata.Features[i], "", ""
		if m.DataType != nil {
			dataType = m.DataType.String()
		}
		if m.EffectiveTime != nil {
			effective = m.EffectiveTime.UTC().Format(time.RFC3339)
		}
		rows = append(rows, []string{m.Name, text, dataType, string(m.Status), effective})
	}
	return printTable(c.out, []string{"FEATURE", "VALUE", "TYPE", "STATUS", "EFFECTIVE TIME"}, rows)
}

// valueText renders a value for people: strings as they are, all else as JSON.
func valueText(value any) (string, error) {
	if text, ok := value.(string); ok {
		return text, nil
	}
	data, err := json.Marshal(value)
	return string(data), err
}
