//! What is there: the cluster's workloads and pods, and what its servers say about themselves.

use k8s_openapi::api::apps::v1::{DaemonSet, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};

use super::names::Names;
use crate::consul::{Consul, RaftConfiguration};

/// Everything that planning and the status look at.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The servers' StatefulSet.
    pub servers: Workload,
    /// The client agents' DaemonSet.
    pub clients: Workload,
    /// Name of the pod revision that the servers should have.
    pub revision: Option<String>,
    /// The server pods, by name.
    pub pods: Vec<ServerPod>,
    /// Address of the DNS Service.
    pub dns_address: Option<String>,
    /// What the leader says; absent while there is none.
    pub raft: Option<RaftConfiguration>,
}

/// What a workload's own status says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    /// Whether its controller has seen its latest spec.
    pub current: bool,
    /// Pods that should be.
    pub desired: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Pods made from the latest template.
    pub updated: i32,
}

/// One server pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerPod {
    /// Its name.
    pub name: String,
    /// Its address, once it has one.
    pub address: Option<String>,
    /// Whether it is ready.
    pub ready: bool,
    /// Since when it is ready, in seconds since 1970.
    pub ready_since: Option<i64>,
    /// The revision of the template it was made from.
    pub revision: Option<String>,
    /// Whether it is being deleted.
    pub terminating: bool,
}

/// Looks at a cluster.
pub async fn fetch(client: &Client, consul: &Consul, names: &Names) -> kube::Result<Observed> {
    let namespace = &names.namespace;
    let statefulsets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    let daemonsets: Api<DaemonSet> = Api::namespaced(client.clone(), namespace);
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let (server_name, client_name, dns_name) = (names.server(), names.client(), names.dns_service());
    let server_query = ListParams::default().labels(&names.server_query());
    let (statefulset, daemonset, dns, pods) = tokio::try_join!(
        statefulsets.get_opt(&server_name),
        daemonsets.get_opt(&client_name),
        services.get_opt(&dns_name),
        pods.list(&server_query),
    )?;
    let mut pods: Vec<ServerPod> = pods.items.iter().map(server_pod).collect();
    pods.sort_by(|left, right| left.name.cmp(&right.name));
    let addresses: Vec<String> = pods.iter().filter_map(|pod| pod.address.clone()).collect();
    Ok(Observed {
        revision: statefulset.as_ref().and_then(|set| set.status.as_ref()?.update_revision.clone()),
        servers: statefulset.as_ref().map(servers).unwrap_or_default(),
        clients: daemonset.as_ref().map(clients).unwrap_or_default(),
        pods,
        dns_address: dns.and_then(|service| service.spec?.cluster_ip).filter(|address| !address.is_empty()),
        raft: consul.raft_configuration(&addresses).await,
    })
}

fn servers(set: &StatefulSet) -> Workload {
    let status = set.status.clone().unwrap_or_default();
    Workload {
        current: status.observed_generation == set.metadata.generation,
        desired: set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or_default(),
        ready: status.ready_replicas.unwrap_or_default(),
        updated: status.updated_replicas.unwrap_or_default(),
    }
}

fn clients(set: &DaemonSet) -> Workload {
    let status = set.status.clone().unwrap_or_default();
    Workload {
        current: status.observed_generation == set.metadata.generation,
        desired: status.desired_number_scheduled,
        ready: status.number_ready,
        updated: status.updated_number_scheduled.unwrap_or_default(),
    }
}

fn server_pod(pod: &Pod) -> ServerPod {
    let status = pod.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let ready = conditions.iter().find(|item| item.type_ == "Ready" && item.status == "True");
    ServerPod {
        name: pod.name_any(),
        address: status.pod_ip.filter(|address| !address.is_empty()),
        ready: ready.is_some(),
        ready_since: ready.and_then(|item| Some(item.last_transition_time.as_ref()?.0.as_second())),
        revision: pod.labels().get("controller-revision-hash").cloned(),
        terminating: pod.metadata.deletion_timestamp.is_some(),
    }
}
