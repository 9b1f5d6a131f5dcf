"""To the cloud: stored first, sent until answered, what is fresh ahead of what waited."""
