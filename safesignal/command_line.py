"""`manage.py` and its help: the commands of SafeSignal first, then those of Django and libraries."""

import re
from collections import defaultdict

from django.apps import apps
from django.conf import settings
from django.core.management import ManagementUtility, get_commands, load_command_class
from typing_extensions import override


class CommandLine(ManagementUtility):
    """Django's utility with a different text for `help`."""

    @override
    def main_help_text(self, commands_only: bool = False) -> str:
        """Return the list of all commands; `commands_only` returns plain names for shell completion."""
        if commands_only:
            return super().main_help_text(commands_only)
        ours, others = _split()
        width = max((len(name) for name in ours), default=0)
        lines = [
            f"{self.prog_name} COMMAND [OPTIONS]; {self.prog_name} help COMMAND explains one.",
            "",
            "Commands of SafeSignal:",
            *(f"  {name:<{width}}  {_summary(name, app)}" for name, app in sorted(ours.items())),
            "",
            "Commands of Django and of libraries:",
            *(f"  {app:<{width}}  {', '.join(sorted(names))}" for app, names in sorted(others.items())),
        ]
        if self.settings_exception is not None:
            lines += ["", f"Only the commands of Django itself are listed: {self.settings_exception}"]
        return "\n".join(lines)


def _split() -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return our commands with the module of their app, and the other commands by app."""
    modules = {config.name for config in apps.get_app_configs()} if settings.configured else set()
    own = {name for name in modules if name.partition(".")[0] == "apps"}
    ours: dict[str, str] = {}
    others: defaultdict[str, list[str]] = defaultdict(list)
    for name, app in get_commands().items():
        if app in own:
            ours[name] = app
        else:
            others[app.rpartition(".")[2]].append(name)
    return ours, others


def _summary(name: str, app: str) -> str:
    """Return the first clause of a command's help."""
    text = " ".join(load_command_class(app, name).help.split())
    return re.split(r"[.:;] ", text, maxsplit=1)[0].rstrip(".")
