"""Single sign-on with a school's own identity provider (OpenID Connect)."""
