"""The base of each app's admin: the site, pages that read in a scope, and forms that call services."""
