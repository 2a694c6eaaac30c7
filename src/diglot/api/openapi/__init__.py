"""Generates the OpenAPI 3.1 document of a dialect from its operations and structs."""
