package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tilery/tilery/pkg/api"
)

func (c *cli) describeCommand() *cobra.Command {
	kind := ""
	command := &cobra.Command{
		Use:   "describe NAME",
		Short: "Show the properties of a feature view, table, service, source or entity",
		Long: "Show the properties of the object NAME as it was applied last. Where objects of several kinds have the name,\n" +
			"it is the feature view or table, else the service, else the source.",
		Example: "  tilery describe airport_delays\n  tilery describe airport --kind Entity -o json",
		Args:    exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			response, err := c.client().Describe(cmd.Context(), api.DescribeRequest{Workspace: c.workspace, Kind: kind, Name: args[0]})
			if err != nil {
				return err
			}
			var properties any
			switch {
			case response.FeatureView != nil:
				properties = response.FeatureView
			case response.FeatureTable != nil:
				properties = response.FeatureTable
			case response.FeatureService != nil:
				properties = response.FeatureService
			case response.BatchSource != nil:
				properties = response.BatchSource
			case response.Entity != nil:
				properties = response.Entity
			default:
				return fmt.Errorf("the server describes a %s, which this version of tilery does not know", response.Kind)
			}
			if c.output == "json" {
				return printJSON(c.out, properties)
			}
			return printProperties(c.out, response.Kind, properties)
		},
	}
	command.Flags().StringVar(&kind, "kind", "", "BatchFeatureView, FeatureTable, FeatureService, BatchSource or Entity")
	return command
}

// printProperties writes the fields of a JSON object, in their order.
func printProperties(w io.Writer, kind string, object any) error {
	data, err := json.Marshal(object)
	if err != nil {
		return err
	}
	rows := [][]string{{"kind", kind}}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil { // the brace
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		rows = append(rows, propertyRows(fmt.Sprint(name), value)...)
	}
	return printTable(w, []string{"PROPERTY", "VALUE"}, rows)
}

// propertyRows is one row, or one for each object of a list.
func propertyRows(name string, value json.RawMessage) [][]string {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) == nil && len(list) > 0 && list[0][0] == '{' {
		rows := make([][]string, len(list))
		for i, item := range list {
			rows[i] = []string{"", string(item)}
		}
		rows[0][0] = name
		return rows
	}
	return [][]string{{name, propertyText(value, list)}}
}

func propertyText(value json.RawMessage, list []json.RawMessage) string {
	var text string
	switch {
	case json.Unmarshal(value, &text) == nil && text != "":
		return strings.ReplaceAll(text, "\n", " ")
	case text == "" && (string(value) == `""` || string(value) == "null" || string(value) == "{}"), list != nil && len(list) == 0:
		return "none"
	case list == nil:
		return string(value)
	}
	items := make([]string, len(list))
	for i, item := range list {
		items[i] = propertyText(item, nil)
	}
	return strings.Join(items, ", ")
}
