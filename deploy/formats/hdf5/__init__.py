"""HDF5 that is written without the library meeting a full disk, and read without trusting it."""
