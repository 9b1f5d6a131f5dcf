"""What knows no domain, only ids: tenant scope, feed, access, audit, problems."""
