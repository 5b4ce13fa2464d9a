//! DNS questions to lookups, rows to messages. Pure.
