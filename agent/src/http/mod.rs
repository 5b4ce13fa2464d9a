//! The HTTP API: one table of routes, one file per family.
