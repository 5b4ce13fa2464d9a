//! The nouns of Concord, once, for the store, the RPC and the HTTP API.
