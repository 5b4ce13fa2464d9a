//! Anti-entropy as a task: compares with the catalog at the start and every minute or so, writes local changes at once,
//! and tries again after failures. What to write is decided in `compare`.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Token;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use server::request::{
    Action, Answer, Body, Consistency, ErrorKind, Query, ReadOptions, Request, RequestError, Response,
};

use super::LocalAgent;
use super::compare::{Dump, Push, Settled};
use super::limits::{REMOVALS_AT_ONCE, SYNC_INTERVAL, SYNC_RETRY_FIRST, SYNC_RETRY_MAX, SYNC_SCALE_FROM};

/// Keeps the catalog equal to what is registered here, until the returned future is dropped.
///
/// `call` is the way to the servers; `cluster_size` says how many members the LAN pool has.
pub async fn run<C, F>(local: Arc<LocalAgent>, call: C, cluster_size: impl Fn() -> usize)
where
    C: Fn(Request) -> F,
    F: Future<Output = Result<Response, RequestError>>,
{
    let mut changes = local.watch();
    local.mark_told(0);
    let mut rng = SmallRng::from_os_rng();
    let mut failures: u32 = 0;
    let mut next_full = Instant::now();
    loop {
        let change = *changes.borrow_and_update();
        let full = next_full <= Instant::now();
        let result = if full { sync_full(&local, &call).await } else { sync_changes(&local, &call).await };
        let output_due = local.with_registry_mut(|registry| registry.release_outputs(Instant::now()));
        let mut wake = output_due.map_or(next_full, |due| due.min(next_full));
        // Servers out of reach stay so whatever changes here; the change goes with the next try.
        let mut unreachable = false;
        match result {
            Ok(()) => {
                failures = 0;
                if full {
                    next_full = Instant::now() + full_wait(cluster_size(), rng.random());
                    wake = output_due.map_or(next_full, |due| due.min(next_full));
                }
            }
            Err(error) => {
                let wait = retry_wait(failures, rng.random());
                failures = failures.saturating_add(1);
                log_failure(failures, full, &error, wait);
                unreachable = !is_refusal(&error);
                wake = Instant::now() + wait;
            }
        }
        if !unreachable {
            local.mark_told(change);
        }
        tokio::select! {
            () = tokio::time::sleep_until(wake.into()) => {}
            changed = changes.changed(), if !unreachable => if changed.is_err() { return },
            () = local.full_sync_wanted() => next_full = Instant::now(),
        }
        local.with_registry_mut(|registry| registry.release_outputs(Instant::now()));
    }
}

/// The first failures are normal while a cluster forms.
fn log_failure(failures: u32, full: bool, error: &RequestError, wait: Duration) {
    let retry_in_ms = wait.as_millis();
    if failures < 4 {
        tracing::debug!(target: "agent::anti_entropy", full, %error, retry_in_ms, "failed to sync");
    } else {
        tracing::warn!(target: "agent::anti_entropy", full, %error, retry_in_ms, "failed to sync remote state");
    }
}

async fn sync_full<C, F>(local: &LocalAgent, call: &C) -> Result<(), RequestError>
where
    C: Fn(Request) -> F,
    F: Future<Output = Result<Response, RequestError>>,
{
    // Nobody else writes this node's records, so the answer still holds when it arrives.
    let dump = ask_dump(local, call).await?;
    local.with_registry_mut(|registry| {
        let found = super::compare::compare(registry, &local.node(), &dump);
        tracing::debug!(target: "agent::anti_entropy", node_known = dump.is_some(), ?found, "compared");
        registry.absorb(found);
    });
    sync_changes(local, call).await
}

async fn ask_dump<C, F>(local: &LocalAgent, call: &C) -> Result<Dump, RequestError>
where
    C: Fn(Request) -> F,
    F: Future<Output = Result<Response, RequestError>>,
{
    let options = ReadOptions { consistency: Consistency::Default, ..ReadOptions::default() };
    let query = Query::NodeDump { node: local.node().node.clone() };
    let action = Action::Read(options, query);
    let request = Request { datacenter: String::new(), token: local.agent_token(), action };
    match call(request).await? {
        Response::Read(_, Body::Rows(Answer::NodeDump(dump))) => Ok(dump),
        _ => Err(RequestError::new(ErrorKind::Failed, "the server answered something else than the node's records")),
    }
}

/// Sends what is out of sync. One refused registration does not hold up the others.
async fn sync_changes<C, F>(local: &LocalAgent, call: &C) -> Result<(), RequestError>
where
    C: Fn(Request) -> F,
    F: Future<Output = Result<Response, RequestError>>,
{
    let mut failure = None;
    let pending = local.with_registry(|registry| registry.pending(&local.node()));
    let (removals, registrations): (Vec<Push>, Vec<Push>) =
        pending.into_iter().partition(|push| is_removal(&push.settles));
    for together in removals.chunks(REMOVALS_AT_ONCE) {
        let sent: Vec<_> = together.iter().map(|push| send(local, call, push)).collect();
        for (push, result) in together.iter().zip(futures::future::join_all(sent).await) {
            match result {
                Ok(()) => {}
                Err(error) if is_refusal(&error) => failure = refuse(local, push, error).or(failure),
                Err(error) => return Err(error),
            }
        }
    }
    for push in registrations {
        let Err(error) = send(local, call, &push).await else { continue };
        if !is_refusal(&error) {
            return Err(error);
        }
        let singles = push.split();
        if let [single] = singles.as_slice() {
            failure = refuse(local, single, error).or(failure);
            continue;
        }
        for single in &singles {
            match send(local, call, single).await {
                Ok(()) => {}
                Err(error) if is_refusal(&error) => failure = refuse(local, single, error).or(failure),
                Err(error) => return Err(error),
            }
        }
    }
    failure.map_or(Ok(()), Err)
}

async fn send<C, F>(local: &LocalAgent, call: &C, push: &Push) -> Result<(), RequestError>
where
    C: Fn(Request) -> F,
    F: Future<Output = Result<Response, RequestError>>,
{
    let token = match &push.token {
        own if *own != Token::default() => own.clone(),
        _ if push.settles.node => local.agent_token(),
        _ => local.default_token(),
    };
    let request = Request { datacenter: String::new(), token, action: Action::Write(push.write.clone()) };
    match call(request).await {
        Ok(_) => {
            tracing::debug!(target: "agent::anti_entropy", settled = ?push.settles, "synced");
            local.with_registry_mut(|registry| registry.settle(&push.settles));
            Ok(())
        }
        // A removal of what the catalog does not know is done.
        Err(error) if is_removal(&push.settles) && error.message.contains("Unknown ") => {
            local.with_registry_mut(|registry| registry.settle(&push.settles));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn is_removal(settles: &Settled) -> bool {
    settles.gone_service.is_some() || settles.gone_check.is_some()
}

/// Whether the servers understood and said no, as opposed to not being reached.
fn is_refusal(error: &RequestError) -> bool {
    matches!(error.kind, ErrorKind::BadRequest | ErrorKind::Denied | ErrorKind::Failed | ErrorKind::NotFound)
}

/// A refused write is left alone until the next full comparison when the token may not do it; else it is a failure.
fn refuse(local: &LocalAgent, push: &Push, error: RequestError) -> Option<RequestError> {
    if error.kind == ErrorKind::Denied {
        tracing::warn!(target: "agent::anti_entropy", settles = ?push.settles, %error, "sync blocked by ACLs");
        local.with_registry_mut(|registry| registry.settle(&push.settles));
        return None;
    }
    tracing::warn!(target: "agent::anti_entropy", settles = ?push.settles, %error, "registration refused");
    Some(error)
}

/// How much the interval is stretched, so that the load on the servers grows slower than the cluster: 1 up to 128
/// members, 2 up to 256, 3 up to 512, ...
#[must_use]
pub fn scale(cluster_size: usize) -> u32 {
    if cluster_size <= SYNC_SCALE_FROM {
        return 1;
    }
    let doublings = cluster_size.div_ceil(SYNC_SCALE_FROM).next_power_of_two().ilog2();
    doublings + 1
}

/// Time to the next full comparison; `random` in 0..1 spreads the agents.
fn full_wait(cluster_size: usize, random: f64) -> Duration {
    let scaled = SYNC_INTERVAL * scale(cluster_size);
    scaled + scaled.mul_f64(random)
}

/// Time to the next try after `failures` earlier ones; `random` in 0..1 spreads the agents.
fn retry_wait(failures: u32, random: f64) -> Duration {
    let doubled = SYNC_RETRY_FIRST.saturating_mul(1 << failures.min(10)).min(SYNC_RETRY_MAX);
    doubled.mul_f64(0.5 + random / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_grows_with_the_logarithm_of_the_cluster() {
        for (size, expected) in [(0, 1), (1, 1), (128, 1), (129, 2), (256, 2), (257, 3), (512, 3), (513, 4), (1024, 4)]
        {
            assert_eq!(scale(size), expected, "{size} members");
        }
        assert_eq!(scale(8192), 7);
    }

    #[test]
    fn waits_are_spread_and_bounded() {
        assert_eq!(full_wait(3, 0.0), Duration::from_secs(60));
        assert_eq!(full_wait(200, 0.5), Duration::from_secs(180));
        assert_eq!(retry_wait(0, 0.0), Duration::from_millis(125));
        assert_eq!(retry_wait(u32::MAX, 1.0), Duration::from_secs(15));
    }
}
