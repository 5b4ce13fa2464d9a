//! The Kubernetes operator: turns a ConsulCluster into servers and clients.
