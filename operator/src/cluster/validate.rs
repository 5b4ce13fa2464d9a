//! What CEL cannot say, checked again by the operator: a definition on an older API server may lack rules.

use kube::ResourceExt;

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
    problems
}
