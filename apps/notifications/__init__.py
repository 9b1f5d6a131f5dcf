"""Notifications: their recipients and channels. Nothing is sent yet."""
