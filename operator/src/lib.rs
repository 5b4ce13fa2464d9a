//! The Kubernetes operator: turns a `ConsulCluster` into servers, clients and the Services around them.
//!
//! Everything that can be decided without IO (`cluster::build`, `cluster::plan`, `cluster::status`,
//! `coredns`) is a pure function; `controller` names the steps and does the IO.

pub mod api;
pub mod cluster;
pub mod consul;
pub mod controller;
pub mod coredns;
pub mod crds;
pub mod dns;
pub mod health;
pub mod manifest;
