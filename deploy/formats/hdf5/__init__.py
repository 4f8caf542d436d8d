"""HDF5 files: written safely on disks that fill up, and validated before they are read."""
