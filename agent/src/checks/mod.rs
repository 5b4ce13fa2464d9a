//! Runs health checks: one file per kind, one map of running checks.
