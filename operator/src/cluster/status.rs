//! What the operator says about a cluster, from what it observed. Pure: the time is an argument.

use super::build::{Defaults, image, version};
use super::fetch::Observed;
use super::names::{Names, PORT_HTTP};
use crate::api::status::Endpoints;
use crate::api::{Condition, ConsulCluster, ConsulClusterStatus, CoreDnsMode, ServerStatus};

/// How a pass over the cluster ended, beside what it observed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Why the spec cannot be carried out; empty when it can.
    pub problems: Vec<String>,
    /// Whether CoreDNS knows the domain: `None` when it is not the operator's task.
    pub core_dns: Option<Result<(), String>>,
}

/// The status to write.
pub fn status(
    cluster: &ConsulCluster,
    defaults: &Defaults,
    observed: &Observed,
    outcome: &Outcome,
    now: &str,
) -> ConsulClusterStatus {
    let spec = &cluster.spec;
    let names = Names::of(cluster);
    let raft = observed.raft.clone().unwrap_or_default();
    let conditions = conditions(cluster, observed, outcome, now);
    let manual = spec.dns.service.enabled && spec.dns.core_dns.mode == CoreDnsMode::Manual;
    ConsulClusterStatus {
        observed_generation: cluster.metadata.generation.unwrap_or_default(),
        phase: phase(cluster, observed, outcome, &conditions).to_owned(),
        leader: raft.leader().map(str::to_owned),
        voters: i32::try_from(raft.voters()).unwrap_or(i32::MAX),
        servers_ready: format!("{}/{}", observed.servers.ready, spec.server.replicas),
        clients_ready: if spec.client.enabled {
            format!("{}/{}", observed.clients.ready, observed.clients.desired)
        } else {
            String::new()
        },
        version: version(cluster, defaults),
        image: image(cluster, defaults),
        servers: servers(observed),
        endpoints: Endpoints {
            http: format!("{}.{}.svc:{PORT_HTTP}", names.http_service(), names.namespace),
            agent: spec
                .client
                .enabled
                .then(|| format!("{}.{}.svc:{PORT_HTTP}", names.agent_service(), names.namespace)),
            dns: observed.dns_address.clone().filter(|_| spec.dns.service.enabled),
        },
        core_dns_snippet: manual.then(|| names.snippet()),
        conditions,
    }
}

/// Whether a condition of a status is true.
pub fn is_true(status: &ConsulClusterStatus, type_: &str) -> bool {
    status.conditions.iter().any(|condition| condition.type_ == type_ && condition.status == "True")
}

fn servers(observed: &Observed) -> Vec<ServerStatus> {
    let raft = observed.raft.clone().unwrap_or_default();
    let server = |pod: &super::fetch::ServerPod| {
        let member = raft.servers.iter().find(|server| server.node == pod.name).cloned().unwrap_or_default();
        ServerStatus {
            name: pod.name.clone(),
            id: member.id,
            address: pod.address.clone().unwrap_or_default(),
            leader: member.leader,
            voter: member.voter,
            ready: pod.ready,
        }
    };
    observed.pods.iter().map(server).collect()
}

/// A condition's state before it is merged with the old ones: state, reason, message.
type Verdict = (bool, &'static str, String);

fn conditions(cluster: &ConsulCluster, observed: &Observed, outcome: &Outcome, now: &str) -> Vec<Condition> {
    let ready = ready(cluster, observed, outcome);
    let stalled = stalled(outcome);
    let reconciling = match (ready.0, stalled.0) {
        (false, false) => (true, ready.1, ready.2.clone()),
        _ => (false, "Settled", "nothing to do".to_owned()),
    };
    let mut verdicts =
        vec![("Ready", ready), ("Available", available(observed)), ("Reconciling", reconciling), ("Stalled", stalled)];
    match &outcome.core_dns {
        Some(Ok(())) => {
            verdicts.push(("DNSReady", (true, "Patched", "CoreDNS sends the domain to the cluster".into())));
        }
        Some(Err(message)) => verdicts.push(("DNSReady", (false, "NotPatched", message.clone()))),
        None => {}
    }
    let old = cluster.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
    verdicts.into_iter().map(|(type_, verdict)| condition(cluster, type_, verdict, &old, now)).collect()
}

fn condition(cluster: &ConsulCluster, type_: &str, verdict: Verdict, old: &[Condition], now: &str) -> Condition {
    let (state, reason, message) = verdict;
    let status = if state { "True" } else { "False" };
    let since = old.iter().find(|condition| condition.type_ == type_ && condition.status == status);
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        observed_generation: cluster.metadata.generation.unwrap_or_default(),
        last_transition_time: since.map_or_else(|| now.to_owned(), |condition| condition.last_transition_time.clone()),
    }
}

fn available(observed: &Observed) -> Verdict {
    match observed.raft.as_ref().and_then(|raft| raft.leader()) {
        Some(leader) => (true, "LeaderElected", format!("{leader} leads")),
        None => (false, "NoLeader", "no server knows a leader".to_owned()),
    }
}

fn stalled(outcome: &Outcome) -> Verdict {
    if !outcome.problems.is_empty() {
        return (true, "InvalidSpec", outcome.problems.join("; "));
    }
    match &outcome.core_dns {
        Some(Err(message)) => (true, "CoreDNS", message.clone()),
        _ => (false, "NoProblem", "nothing stands in the way".to_owned()),
    }
}

fn ready(cluster: &ConsulCluster, observed: &Observed, outcome: &Outcome) -> Verdict {
    let spec = &cluster.spec;
    let replicas = spec.server.replicas;
    let voters = observed.raft.as_ref().map_or(0, |raft| raft.voters());
    let well = observed.pods.iter().filter(|pod| pod.ready && !pod.terminating).count();
    let as_many = |count: usize| i32::try_from(count).is_ok_and(|count| count == replicas);
    if !outcome.problems.is_empty() {
        return (false, "InvalidSpec", outcome.problems.join("; "));
    }
    let Some(leader) = observed.raft.as_ref().and_then(|raft| raft.leader()) else {
        return (false, "NoLeader", format!("no leader; {well}/{replicas} servers ready"));
    };
    if !as_many(voters) || !as_many(well) {
        return (false, "ServersNotReady", format!("{well}/{replicas} servers ready, {voters} voters"));
    }
    if !observed.servers.current || observed.servers.updated != replicas {
        return (false, "ServersOutdated", format!("{}/{replicas} servers updated", observed.servers.updated));
    }
    let clients = &observed.clients;
    if spec.client.enabled
        && !(clients.current && clients.ready == clients.desired && clients.updated == clients.desired)
    {
        return (false, "ClientsNotReady", format!("{}/{} client agents ready", clients.ready, clients.desired));
    }
    if spec.dns.service.enabled && observed.dns_address.is_none() {
        return (false, "NoDNSAddress", "the DNS Service has no address yet".to_owned());
    }
    if let Some(Err(message)) = &outcome.core_dns {
        return (false, "DNSNotReady", message.clone());
    }
    (true, "ClusterHealthy", format!("leader {leader}, {voters}/{replicas} voters"))
}

fn phase(cluster: &ConsulCluster, observed: &Observed, outcome: &Outcome, conditions: &[Condition]) -> &'static str {
    let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let had_leader = cluster
        .status
        .as_ref()
        .is_some_and(|status| status.phase == "Running" || status.phase == "Degraded" || status.phase == "Updating");
    if cluster.metadata.deletion_timestamp.is_some() {
        "Deleting"
    } else if !outcome.problems.is_empty() {
        "Failed"
    } else if ready {
        "Running"
    } else if observed.raft.is_some()
        && observed.servers.current
        && observed.servers.updated < cluster.spec.server.replicas
        && had_leader
    {
        "Updating"
    } else if had_leader {
        "Degraded"
    } else if observed.pods.iter().any(|pod| pod.address.is_some()) {
        "Bootstrapping"
    } else {
        "Pending"
    }
}
