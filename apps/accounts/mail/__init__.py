"""E-mails and text messages to people: texts, budgets, the queue, and the secrets in links."""
