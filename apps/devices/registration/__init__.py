"""Registration of devices: import and export of tables, and claims by the code in the box."""
