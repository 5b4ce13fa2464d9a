//! The loop: what wakes it, and the steps of one pass over one cluster.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::{DaemonSet, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::runtime::controller::Action as Requeue;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, watcher};
use kube::{Client, Resource, ResourceExt};
use serde_json::json;
use thiserror::Error;

use crate::api::{ConsulCluster, ConsulClusterStatus, CoreDnsMode};
use crate::cluster::apply::{ApplyError, apply};
use crate::cluster::build::{Defaults, build, display_name};
use crate::cluster::fetch::{Observed, fetch};
use crate::cluster::names::{MANAGER, Names};
use crate::cluster::plan::{Action, plan};
use crate::cluster::status::{Outcome, is_true, status};
use crate::cluster::validate::validate;
use crate::consul::Consul;
use crate::dns::{self, DnsError};

/// Holds a cluster object until its block is out of CoreDNS's configuration.
const FINALIZER: &str = "concord.dev/coredns";
/// How long a deleted cluster waits for CoreDNS at most.
const CLEAN_UP_MAX: SignedDuration = SignedDuration::from_secs(120);
/// How soon a cluster that is not ready is looked at again, if nothing wakes us earlier.
const REQUEUE_WORKING: Duration = Duration::from_millis(500);
/// How soon a ready cluster is looked at again: its leader may change without any Kubernetes event.
const REQUEUE_READY: Duration = Duration::from_secs(5);
/// How soon a failed pass is repeated.
const REQUEUE_FAILED: Duration = Duration::from_secs(3);

/// What every pass needs.
pub struct Context {
    client: Client,
    consul: Consul,
    defaults: Defaults,
    recorder: Recorder,
}

/// Why a pass failed; it is repeated.
#[derive(Debug, Error)]
pub enum ReconcileError {
    /// Reading or writing Kubernetes objects.
    #[error("Kubernetes API: {0}")]
    Kube(#[from] kube::Error),
    /// Applying the cluster's objects.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Taking the block out of CoreDNS's configuration.
    #[error(transparent)]
    Dns(#[from] DnsError),
}

/// Runs until the program is told to stop.
pub async fn run(client: Client, defaults: Defaults) {
    let reporter = Reporter { controller: MANAGER.to_owned(), instance: std::env::var("HOSTNAME").ok() };
    let recorder = Recorder::new(client.clone(), reporter);
    let context = Context { client: client.clone(), consul: Consul::default(), defaults, recorder };
    let ours = watcher::Config::default().labels(&format!("app.kubernetes.io/managed-by={MANAGER}"));
    let all = || watcher::Config::default();
    Controller::new(Api::<ConsulCluster>::all(client.clone()), all())
        .owns(Api::<StatefulSet>::all(client.clone()), ours.clone())
        .owns(Api::<DaemonSet>::all(client.clone()), ours.clone())
        .owns(Api::<Service>::all(client.clone()), ours.clone())
        .owns(Api::<ConfigMap>::all(client.clone()), ours.clone())
        .owns(Api::<ServiceAccount>::all(client.clone()), ours.clone())
        .owns(Api::<PodDisruptionBudget>::all(client.clone()), ours.clone())
        .watches(Api::<Pod>::all(client), ours.labels("app.kubernetes.io/component=server"), |pod| cluster_of(&pod))
        .shutdown_on_signal()
        .run(reconcile, on_error, Arc::new(context))
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::debug!("{error}");
            }
        })
        .await;
}

/// The cluster that a server pod belongs to.
fn cluster_of(pod: &Pod) -> Option<ObjectRef<ConsulCluster>> {
    let name = pod.labels().get("app.kubernetes.io/instance")?;
    Some(ObjectRef::new(name).within(&pod.namespace()?))
}

#[expect(clippy::needless_pass_by_value, reason = "the controller calls it this way")]
fn on_error(cluster: Arc<ConsulCluster>, error: &ReconcileError, _: Arc<Context>) -> Requeue {
    tracing::warn!(cluster = display_name(&cluster), "{error}");
    Requeue::requeue(REQUEUE_FAILED)
}

/// One pass: fetch, validate, build, plan, apply, status.
async fn reconcile(cluster: Arc<ConsulCluster>, context: Arc<Context>) -> Result<Requeue, ReconcileError> {
    if cluster.metadata.deletion_timestamp.is_some() {
        return clean_up(&context, &cluster).await;
    }
    let names = Names::of(&cluster);
    let observed = fetch(&context.client, &context.consul, &names).await?;
    let mut outcome = Outcome { problems: validate(&cluster), core_dns: None };
    if outcome.problems.is_empty() {
        let objects = build(&cluster, &context.defaults, observed.dns_address.as_deref());
        let owner = cluster.uid().unwrap_or_default();
        match apply(&context.client, &names.namespace, &owner, &objects).await {
            Ok(()) => {}
            Err(error @ ApplyError::Foreign { .. }) => outcome.problems.push(error.to_string()),
            Err(error) => return Err(error.into()),
        }
        outcome.core_dns = keep_core_dns(&context, &cluster, &observed).await?;
        if let Action::Restart { pod } = plan(&observed, cluster.spec.server.replicas, Timestamp::now().as_second()) {
            restart(&context, &cluster, &pod).await?;
        }
    }
    let new = status(&cluster, &context.defaults, &observed, &outcome, &Timestamp::now().to_string());
    report(&context, &cluster, &new).await?;
    Ok(Requeue::requeue(if is_true(&new, "Ready") { REQUEUE_READY } else { REQUEUE_WORKING }))
}

/// Puts the block into CoreDNS's configuration or takes it out, as the spec says.
async fn keep_core_dns(
    context: &Context,
    cluster: &ConsulCluster,
    observed: &Observed,
) -> Result<Option<Result<(), String>>, ReconcileError> {
    let held = cluster.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
    if cluster.spec.dns.core_dns.mode != CoreDnsMode::Patch || !cluster.spec.dns.service.enabled {
        if held {
            dns::remove(&context.client, cluster).await?;
            set_finalizer(context, cluster, false).await?;
        }
        return Ok(None);
    }
    if !held {
        // Before the first change, so that no deletion can leave it behind.
        set_finalizer(context, cluster, true).await?;
    }
    let Some(address) = &observed.dns_address else { return Ok(None) };
    match dns::insert(&context.client, cluster, address).await {
        Ok(changed) => {
            if changed {
                event(context, cluster, EventType::Normal, "CoreDNSPatched", "CoreDNS sends the domain to the cluster")
                    .await;
            }
            Ok(Some(Ok(())))
        }
        Err(error) => Ok(Some(Err(error.to_string()))),
    }
}

/// What the owner references do not do when a cluster is deleted; gives up in bounded time.
async fn clean_up(context: &Context, cluster: &ConsulCluster) -> Result<Requeue, ReconcileError> {
    if !cluster.finalizers().iter().any(|finalizer| finalizer == FINALIZER) {
        return Ok(Requeue::await_change());
    }
    if let Err(error) = dns::remove(&context.client, cluster).await {
        let since = cluster.metadata.deletion_timestamp.as_ref().map(|time| Timestamp::now().duration_since(time.0));
        if since.is_some_and(|since| since < CLEAN_UP_MAX) {
            return Err(error.into());
        }
        let note = format!("gave up removing the block from CoreDNS's configuration: {error}");
        event(context, cluster, EventType::Warning, "CoreDNSLeftBehind", &note).await;
    }
    set_finalizer(context, cluster, false).await?;
    Ok(Requeue::await_change())
}

async fn set_finalizer(context: &Context, cluster: &ConsulCluster, present: bool) -> kube::Result<()> {
    let mut finalizers: Vec<String> =
        cluster.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).cloned().collect();
    if present {
        finalizers.push(FINALIZER.to_owned());
    }
    // With the resource version, so that a list that changed meanwhile is not overwritten.
    let patch = json!({"metadata": {"finalizers": finalizers, "resourceVersion": cluster.resource_version()}});
    let api: Api<ConsulCluster> = Api::namespaced(context.client.clone(), &cluster.namespace().unwrap_or_default());
    match api.patch(&cluster.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await {
        // Changed or gone: the next pass sees how it is now.
        Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => Ok(()),
        other => other.map(|_| ()),
    }
}

async fn restart(context: &Context, cluster: &ConsulCluster, pod: &str) -> kube::Result<()> {
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &cluster.namespace().unwrap_or_default());
    event(context, cluster, EventType::Normal, "ServerRestarted", &format!("restarting {pod}: its settings changed"))
        .await;
    match api.delete(pod, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Writes the status when it changed, and tells about the changes that people look for.
async fn report(context: &Context, cluster: &ConsulCluster, new: &ConsulClusterStatus) -> kube::Result<()> {
    let old = cluster.status.clone().unwrap_or_default();
    if old == *new {
        return Ok(());
    }
    let api: Api<ConsulCluster> = Api::namespaced(context.client.clone(), &cluster.namespace().unwrap_or_default());
    let object = json!({
        "apiVersion": ConsulCluster::api_version(&()),
        "kind": ConsulCluster::kind(&()),
        "metadata": {"name": cluster.name_any()},
        "status": new,
    });
    let params = PatchParams::apply(MANAGER).force();
    match api.patch_status(&cluster.name_any(), &params, &Patch::Apply(object)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        other => other.map(|_| ())?,
    }
    if let Some(leader) = new.leader.as_ref().filter(|leader| old.leader.as_ref() != Some(leader)) {
        event(context, cluster, EventType::Normal, "LeaderChanged", &format!("{leader} leads")).await;
    }
    if is_true(new, "Ready") && !is_true(&old, "Ready") {
        event(context, cluster, EventType::Normal, "Ready", "every server and client agent is ready").await;
    }
    if is_true(&old, "Available") && !is_true(new, "Available") {
        event(context, cluster, EventType::Warning, "LeaderLost", "no server knows a leader").await;
    }
    let stalled = |status: &ConsulClusterStatus| {
        status.conditions.iter().find(|c| c.type_ == "Stalled" && c.status == "True").map(|c| c.message.clone())
    };
    if let Some(message) = stalled(new).filter(|message| stalled(&old).as_ref() != Some(message)) {
        event(context, cluster, EventType::Warning, "Stalled", &message).await;
    }
    Ok(())
}

/// Tells people; a lost event changes nothing, so failures are only logged.
async fn event(context: &Context, cluster: &ConsulCluster, type_: EventType, reason: &str, note: &str) {
    tracing::info!(cluster = display_name(cluster), reason, "{note}");
    let event = Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note.chars().take(1000).collect()),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    if let Err(error) = context.recorder.publish(&event, &cluster.object_ref(&())).await {
        tracing::warn!("cannot publish the event {reason}: {error}");
    }
}
