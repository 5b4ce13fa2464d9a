//! Server RPC on port 8300: listener, codec, connection pool, router.
