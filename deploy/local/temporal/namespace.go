package temporal

import (
	"context"
	"fmt"
	"maps"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// readyNamespace waits until the namespace is served and adds the search
// attributes that it lacks.
func readyNamespace(ctx context.Context, address, namespace string, wanted map[string]enumspb.IndexedValueType) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = workflowservice.NewWorkflowServiceClient(conn).DescribeNamespace(ctx,
		&workflowservice.DescribeNamespaceRequest{Namespace: namespace}, grpc.WaitForReady(true))
	if err != nil {
		return fmt.Errorf("describe namespace %s: %w", namespace, err)
	}
	if err := addSearchAttributes(ctx, operatorservice.NewOperatorServiceClient(conn), namespace, wanted); err != nil {
		return fmt.Errorf("search attributes of namespace %s: %w", namespace, err)
	}
	return nil
}

func addSearchAttributes(ctx context.Context, operator operatorservice.OperatorServiceClient, namespace string, wanted map[string]enumspb.IndexedValueType) error {
	if len(wanted) == 0 {
		return nil
	}
	have, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	missing := map[string]enumspb.IndexedValueType{}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		switch typ, ok := have.GetCustomAttributes()[name]; {
		case !ok:
			missing[name] = wanted[name]
		case typ != wanted[name]:
			return fmt.Errorf("%s is of type %s, not %s", name, typ, wanted[name])
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
	if err != nil {
		return fmt.Errorf("add %v: %w", slices.Sorted(maps.Keys(missing)), err)
	}
	return nil
}
