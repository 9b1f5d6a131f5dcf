"""The gateway in the building: decide on every press, store it, act on it locally and forward it.

It runs as its own process. It needs the building's broker and a disk, and keeps working without the cloud or the disk.

    button_side   MQTT: presses in, `stored` confirmations and PA messages out
    decision/     the rules: pure functions without I/O or a clock
    gateway       one press from arrival to its effects, within 50 ms
    store/        SQLite: presses, their alerts, and events waiting for the cloud
    uplink/       to the cloud: fresh alerts first, then the backlog
    downlink      from the cloud: closed alerts, commands, configuration changes
"""

__version__ = "0.1.0"
