"""The OpenAPI document: what drf-spectacular cannot know by itself."""
