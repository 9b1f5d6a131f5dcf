"""Settings of an organization: their meaning and limits, checks by other apps, and the admin form."""
