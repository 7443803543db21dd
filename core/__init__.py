"""What both tasks and everyone else stand on: segments, settings, runs, devices, errors, tables, files."""
