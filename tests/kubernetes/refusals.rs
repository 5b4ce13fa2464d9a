//! What must not work: specs that the API server refuses, objects that are not ours.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::environment::Environment;
use crate::kubectl::{text, wait_for};

/// A spec, and what the refusal must say.
const INVALID: &[(&str, &str)] = &[
    ("{server: {replicas: 4}}", "spec.server.replicas must be odd"),
    ("{server: {replicas: 9}}", "spec.server.replicas"),
    ("{server: {replicas: 0}}", "spec.server.replicas"),
    ("{server: {storage: {size: large}}}", "spec.server.storage.size must be a quantity"),
    ("{server: {extraConfig: {bootstrap_expect: 1}}}", "extraConfig.bootstrap_expect must not be set"),
    ("{client: {extraConfig: {data_dir: /tmp}}}", "extraConfig.data_dir must not be set"),
    ("{datacenter: 'Has Blanks'}", "spec.datacenter"),
    ("{logLevel: loud}", "spec.logLevel"),
    ("{dns: {coreDNS: {configMap: ''}}}", "spec.dns.coreDNS.configMap"),
    ("{replicas: 3}", "unknown field \"spec.replicas\""),
];

/// A change of the running cluster, and what the refusal must say.
const INVALID_CHANGES: &[(&str, &str)] = &[
    (r#"{"spec":{"datacenter":"dc2"}}"#, "spec.datacenter cannot be changed"),
    (r#"{"spec":{"server":{"replicas":1}}}"#, "spec.server.replicas can only be raised"),
    (r#"{"spec":{"server":{"storage":{"size":"1Gi"}}}}"#, "spec.server.storage.size cannot be changed"),
    (r#"{"spec":{"server":{"storage":{"className":"other"}}}}"#, "spec.server.storage.className cannot be changed"),
    (r#"{"spec":{"server":{"storage":{"ephemeral":true}}}}"#, "spec.server.storage.ephemeral cannot be changed"),
];

/// Each invalid spec is refused with a message that names the field; the shortest valid one is accepted.
pub fn invalid_clusters(environment: &Environment) -> Result<()> {
    let kubectl = &environment.kubectl;
    let try_apply = |name: &str, spec: &str| {
        let manifest =
            format!("{{apiVersion: concord.dev/v1alpha1, kind: ConsulCluster, metadata: {{name: {name}}}{spec}}}");
        kubectl.run_with_input(&["apply", "--dry-run=server", "-f", "-"], &manifest)
    };
    try_apply("valid", "")?;
    for (spec, message) in INVALID {
        refused(&try_apply("invalid", &format!(", spec: {spec}")), message)?;
    }
    refused(&try_apply(&"a".repeat(41), ""), "metadata.name must have at most 40 characters")?;
    for (patch, message) in INVALID_CHANGES {
        refused(&kubectl.run(&["patch", "consulcluster", "consul", "--type=merge", "-p", patch]), message)?;
    }
    Ok(())
}

fn refused(result: &Result<String>, message: &str) -> Result<()> {
    match result {
        Ok(text) => bail!("accepted, but should say {message:?}: {text}"),
        Err(error) => {
            ensure!(format!("{error:#}").contains(message), "should say {message:?}: {error:#}");
            Ok(())
        }
    }
}

/// A Service that is somebody else's stays so, and the cluster that would need its name says why it waits.
pub fn foreign_object(environment: &Environment) -> Result<()> {
    let kubectl = &environment.kubectl;
    kubectl.apply(
        "{apiVersion: v1, kind: Service, metadata: {name: taken}, spec: {selector: {app: mine}, ports: [{port: 80}]}}",
    )?;
    kubectl.apply(
        "{apiVersion: concord.dev/v1alpha1, kind: ConsulCluster, metadata: {name: taken}, \
          spec: {server: {replicas: 1, storage: {ephemeral: true}}, client: {enabled: false}}}",
    )?;
    wait_for("the cluster saying why it waits", Duration::from_secs(15), || {
        let cluster = kubectl.get(&["consulcluster", "taken"])?;
        let conditions = cluster["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let stalled = conditions.iter().find(|one| one["type"] == "Stalled" && one["status"] == "True");
        Ok(stalled.filter(|one| text(one, "/message").contains("Service taken")).map(|_| ()))
    })?;
    let service = kubectl.get(&["service", "taken"])?;
    ensure!(service["spec"]["selector"]["app"] == "mine", "taken over: {service}");
    kubectl.run(&["delete", "consulcluster/taken", "service/taken", "--timeout=60s"])?;
    Ok(())
}
