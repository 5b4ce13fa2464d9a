//! Autopilot: its settings, and how much is registered.

use std::collections::{BTreeMap, BTreeSet};

use model::{AutopilotChange, AutopilotConfig, ServiceUsage};
use state::{Command, View};

/// Name of the service that the servers themselves are.
const SERVERS: &str = "consul";

/// The command of a change.
pub(super) fn prepare(change: &AutopilotChange) -> Command {
    Command::Autopilot(change.clone())
}

/// The settings in force.
#[must_use]
pub fn config(view: &View) -> AutopilotConfig {
    view.autopilot().map_or_else(AutopilotConfig::initial, |config| AutopilotConfig::clone(config))
}

/// How much is registered.
#[must_use]
pub fn usage(view: &View) -> ServiceUsage {
    let kinds = ["connect-native", "connect-proxy", "ingress-gateway", "mesh-gateway", "terminating-gateway"];
    let mut usage = ServiceUsage {
        nodes: view.nodes().count() as u64,
        connect_service_instances: kinds.iter().map(|kind| ((*kind).to_owned(), 0)).collect::<BTreeMap<_, _>>(),
        ..ServiceUsage::default()
    };
    let mut names = BTreeSet::new();
    for instance in view.instances() {
        let service = &instance.service;
        usage.service_instances += 1;
        names.insert(service.service.to_lowercase());
        let is_native = service.connect["Native"] == true;
        if is_native {
            *usage.connect_service_instances.entry("connect-native".to_owned()).or_default() += 1;
        }
        if !service.kind.is_empty() {
            *usage.connect_service_instances.entry(service.kind.clone()).or_default() += 1;
        } else if service.service != SERVERS.into() {
            usage.billable_service_instances += 1;
        }
    }
    usage.services = names.len() as u64;
    usage
}
