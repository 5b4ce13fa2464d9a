//! What CEL cannot say, checked again by the operator: a definition on an older API server may lack rules.

use config::{Format, Host, Inputs, Source};
use kube::ResourceExt;
use serde_json::Value;

use super::build::config::{client_settings, server_settings};
use super::names::Names;
use crate::api::{ConsulCluster, NAME_LENGTH_MAX, SERVERS_MAX};

/// Every reason why a cluster cannot be built; each names its field. Empty when it can.
pub fn validate(cluster: &ConsulCluster) -> Vec<String> {
    let spec = &cluster.spec;
    let mut problems = Vec::new();
    if cluster.name_any().len() > NAME_LENGTH_MAX {
        problems.push(format!("metadata.name has more than {NAME_LENGTH_MAX} characters"));
    }
    if !(1..=SERVERS_MAX).contains(&spec.server.replicas) {
        problems.push(format!("spec.server.replicas is not between 1 and {SERVERS_MAX}"));
    }
    if spec.server.replicas % 2 == 0 && !spec.server.allow_even_replicas {
        problems.push("spec.server.replicas is even, and spec.server.allowEvenReplicas is not set".to_owned());
    }
    for (field, config) in [("server", &spec.server.extra_config), ("client", &spec.client.extra_config)] {
        for key in config.reserved() {
            problems.push(format!("spec.{field}.extraConfig.{key} is set by the operator itself"));
        }
    }
    if problems.is_empty() && spec.version.is_none() && spec.image.digest.is_none() {
        // Another version of the agent may know other settings, and says so itself.
        let names = Names::of(cluster);
        problems.extend(refused_by_agent("server", &server_settings(&names, spec)));
        problems.extend(refused_by_agent("client", &client_settings(&names, spec)));
    }
    problems
}

/// What the agent would refuse to start with, found before any pod is made from it.
fn refused_by_agent(field: &str, settings: &Value) -> Vec<String> {
    let file = Source { name: format!("spec.{field}.extraConfig"), format: Format::Json, text: settings.to_string() };
    // What the pod adds on its command line; the values only have to be of the right kind.
    let flags = [("node", "pod"), ("advertise", "192.0.2.1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let inputs = Inputs { files: vec![file], flags: flags.to_vec(), ..Inputs::default() };
    match config::load(&inputs, &Host { name: "pod".to_owned(), ..Host::default() }) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.to_string().lines().map(str::to_owned).collect(),
    }
}
