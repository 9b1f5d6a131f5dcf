"""The gateway in the building: decides on every press, stores it, acts on it here, and forwards it.

A process of its own. It needs the broker of the building and a disk; it works on with the cloud, or the disk, gone.

    button_side   MQTT: presses in, `stored` and PA messages out
    decision/     the rules, pure: no input or output, no clock
    gateway       one press from arrival to its effects, within 50 ms
    store/        SQLite: what was pressed, what it became, what the cloud has yet to hear
    uplink/       to the cloud: fresh alerts first, then the backlog
    downlink      from the cloud: what people closed, commands, changes of configuration
"""

__version__ = "0.1.0"
