"""E-mails and text messages to people: words, budgets, the queue, and the secrets in links."""
