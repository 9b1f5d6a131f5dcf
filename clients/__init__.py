"""Clients that are generated from the OpenAPI document: a proof that a program can be built from it alone."""
