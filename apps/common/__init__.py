"""Code without a domain, which knows ids only: tenant scope, feed, access, audit, problems."""
