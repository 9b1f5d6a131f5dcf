"""What every app's part of the admin is built from: the site, pages that read in a scope, forms that call services."""
