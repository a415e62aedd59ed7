"""The Record of a measurement: its types, its strict reader, the files that hold it, and when two may be compared."""
