//! What this agent registered, kept on disk, and anti-entropy with the catalog.
