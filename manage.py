#!/usr/bin/env python
"""Run a command of the cloud: `./manage.py help` lists them."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "safesignal.settings")
    from safesignal.command_line import CommandLine

    CommandLine(sys.argv).execute()
