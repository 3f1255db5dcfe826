package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/swaggest/jsonschema-go"
	"github.com/swaggest/openapi-go"
	"github.com/swaggest/openapi-go/openapi31"
)

// openAPI is the OpenAPI document of the routes, made from their parameter and answer types.
func openAPI(routes []route) ([]byte, error) {
	reflector := openapi31.NewReflector()
	reflector.Spec.Info.WithTitle("Bridgewatch").WithVersion("v1").
		WithDescription("Calls, call legs, meetings, licenses and completeness of Cisco Meeting Server deployments. Times are RFC 3339 in UTC; a date alone is its start in UTC.")
	schemas := reflector.JSONSchemaReflector()
	schemas.AddTypeMapping(time.Duration(0), "") // a length of time is written 5m, not as a number
	// An object that may be missing is null or what its own schema says; the library leaves a type beside that choice, which rules out null.
	schemas.DefaultOptions = append(schemas.DefaultOptions, func(c *jsonschema.ReflectContext) { c.EnvelopNullability = true },
		jsonschema.InterceptNullability(func(p jsonschema.InterceptNullabilityParams) {
			if p.RefDef != nil && len(p.Schema.AnyOf) == 2 {
				p.Schema.Type, p.Schema.AnyOf[1].TypeObject.Type = nil, nil
			}
		}))
	for _, r := range routes {
		op, err := reflector.NewOperationContext(http.MethodGet, "/api/v1"+r.path)
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", r.path, err)
		}
		op.SetSummary(r.summary)
		op.AddReqStructure(r.params)
		op.AddRespStructure(r.answer, openapi.WithHTTPStatus(http.StatusOK))
		for _, status := range []int{http.StatusBadRequest, http.StatusNotFound, http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusGatewayTimeout} {
			op.AddRespStructure(errorAnswer{}, openapi.WithHTTPStatus(status))
		}
		if err := reflector.AddOperation(op); err != nil {
			return nil, fmt.Errorf("describe %s: %w", r.path, err)
		}
	}
	document, err := reflector.Spec.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	return document, nil
}
