"""What a person changes of their own account, takes along, and erases."""
