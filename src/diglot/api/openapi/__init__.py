"""The OpenAPI 3.1 document of a dialect, made from its operations and structs."""
