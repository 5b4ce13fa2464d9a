//! The replicated state: commands, tables, views, watches and snapshots. Pure.
