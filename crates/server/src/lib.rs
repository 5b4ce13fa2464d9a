//! The server's requests: authorize, check, propose or query. Pure.
