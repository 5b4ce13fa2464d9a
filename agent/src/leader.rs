//! The duties of the leader: one task that works while this server leads and waits while it does not.
//!
//! What is to be done is decided by pure functions of the server crate; here is when.

mod mesh;

use std::sync::Arc;
use std::time::Duration;

use model::{AgentMember, AutopilotChange, AutopilotConfig, KvHistoryLimits, NodeName, Token};
use server::acl::{self, Context};
use server::leader::brake::{Brake, Plan};
use server::leader::expiry::{self, Step};
use server::leader::reconcile::reconcile;
use server::leader::tombstones::TombstoneReaper;
use server::request::{Action, Consistency, Request, RequestError, Write};
use state::Command;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::backend::Backend;
use crate::gossip::Pool;
use crate::raft::node::{NotDone, RaftNode};
use crate::rpc::local::LocalServer;
use crate::telemetry::{Counter, Timer};
use crate::tokens::now;
use crate::{events, servers};

/// A complete comparison of gossip and catalog at least this often, as in Consul.
const RECONCILE_INTERVAL: Duration = Duration::from_secs(60);

/// After a failed pass (no majority, most likely) the next one comes after this time.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How often tombstones are looked at.
const TOMBSTONE_INTERVAL: Duration = Duration::from_secs(10);

/// How often the ACL system is looked at: whether what must be there is, and whether tokens have expired.
const ACL_INTERVAL: Duration = Duration::from_secs(1);
/// How often the mesh's certificate authority is looked at: whether it is there, and whether roots have become old.
const MESH_INTERVAL: Duration = Duration::from_secs(1);
/// How often coordinates are written.
const COORDINATE_INTERVAL: Duration = Duration::from_secs(5);

/// Nodes that failed and were held back by the brake on mass failures.
static RECONCILED: Timer = Timer::new("leader.reconcile");
static HELD: Counter = Counter::new("leader.mass_failure_brake.held");

/// Everything the duties need.
pub struct Duties {
    /// This server, for its clocks and the coordinates that it collects.
    pub local: Arc<LocalServer>,
    /// Raft, to know who leads.
    pub raft: RaftNode,
    /// The door for writes.
    pub backend: Backend,
    /// The LAN pool.
    pub lan: Pool,
    /// Name of this server.
    pub node: NodeName,
    /// Datacenter of this server.
    pub datacenter: String,
    /// The configured token of all rights, empty for none; `None` when ACLs are off.
    pub initial_management: Option<Token>,
    /// Settings of autopilot for a new cluster.
    pub autopilot: AutopilotConfig,
    /// How much of the past of keys is kept.
    pub kv_history: KvHistoryLimits,
    /// Setting of the brake on mass failures; 0 for none.
    pub brake_percent: u8,
    /// Settings of the mesh.
    pub mesh: config::Connect,
}

/// Works for ever: whenever this server leads, its duties are done until it does not.
pub async fn run(duties: Arc<Duties>) {
    let mut leadership = duties.raft.leadership();
    loop {
        if leadership.wait_for(|state| state.is_local).await.is_err() {
            return;
        }
        tracing::info!(target: "agent::leader", "cluster leadership acquired");
        events::announce_leader(&duties.lan, &duties.node).await;
        tokio::select! {
            () = lead(&duties) => {}
            () = duties.local.sessions().expire(&duties.raft, &duties.backend) => {}
            () = expire_keys(&duties.raft) => {}
            lost = leadership.wait_for(|state| !state.is_local) => {
                tracing::info!(target: "agent::leader", "cluster leadership lost");
                if lost.is_err() {
                    return;
                }
            }
        }
    }
}

async fn lead(duties: &Duties) {
    let mut events = duties.lan.events();
    duties.raft.abandon_restores().await;
    write_autopilot(duties).await;
    mesh::keep_authority(duties).await;
    mesh::write_entries(duties).await;
    let mut tombstones_due = interval(TOMBSTONE_INTERVAL);
    tombstones_due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut acl_due = interval(ACL_INTERVAL);
    acl_due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut mesh_due = interval(MESH_INTERVAL);
    mesh_due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut coordinates_due = interval(COORDINATE_INTERVAL);
    coordinates_due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reaper = TombstoneReaper::new();
    let began = Instant::now();
    let mut next_pass = began;
    let mut members = Members { brake: Brake::new(duties.brake_percent), began, is_braking: false };
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(next_pass) => {
                next_pass = members.reconcile(duties).await;
            }
            event = events.recv() => match event {
                // Whatever happened, or was missed: compare everything, which costs little and repairs all.
                Ok(_) | Err(RecvError::Lagged(_)) => next_pass = Instant::now(),
                Err(RecvError::Closed) => return,
            },
            // What was restored knows nothing of who lives now.
            () = duties.raft.restored() => next_pass = Instant::now(),
            _ = acl_due.tick() => keep_acl(duties).await,
            _ = mesh_due.tick() => mesh::keep_authority(duties).await,
            _ = coordinates_due.tick() => write_coordinates(duties).await,
            _ = tombstones_due.tick() => {
                limit_history(duties).await;
                reap_tombstones(duties, &mut reaper, began.elapsed()).await;
            }
        }
    }
}

/// The first leader of a cluster writes the settings of autopilot that it was configured with.
async fn write_autopilot(duties: &Duties) {
    let is_known = duties.raft.ready_to_read(Consistency::Consistent).await.is_ok()
        && duties.raft.reader().load().autopilot().is_some();
    if is_known {
        return;
    }
    let change = AutopilotChange { config: duties.autopilot.clone(), cas: None, is_initial: true };
    if let Err(error) = propose(duties, Write::Autopilot(change)).await {
        tracing::warn!(target: "agent::leader", %error, "failed to initialize autopilot");
    }
}

/// What one leadership remembers of the members.
struct Members {
    brake: Brake,
    /// When the leadership began: where the clock of the brake stands at zero.
    began: Instant,
    /// Whether nodes are held back, so that it is told once.
    is_braking: bool,
}

impl Members {
    /// One pass over all members; when the next one is due.
    async fn reconcile(&mut self, duties: &Duties) -> Instant {
        let started = std::time::Instant::now();
        let done = self.pass(duties).await;
        RECONCILED.since(started);
        match done {
            Some(again_at) => {
                let due = Instant::now() + RECONCILE_INTERVAL;
                again_at.map_or(due, |again_at| again_at.min(due))
            }
            None => Instant::now() + RETRY_INTERVAL,
        }
    }

    /// One pass; `None` if not all of it was done, else when the brake wants to be asked again.
    async fn pass(&mut self, duties: &Duties) -> Option<Option<Instant>> {
        // The view must have everything that earlier leaders did, or their work would be done again.
        duties.raft.ready_to_read(Consistency::Consistent).await.ok()?;
        let members: Vec<AgentMember> = duties.lan.members().iter().map(servers::agent_member).collect();
        let view = duties.raft.reader().view();
        let writes = reconcile(&view, &members, &duties.node, &duties.datacenter);
        let plan = self.brake.plan(writes, &view, &members, &duties.datacenter, self.began.elapsed());
        self.tell(&plan);
        for write in plan.free {
            written(duties, write).await?;
        }
        for write in plan.turns {
            let done = written(duties, write).await;
            self.brake.turned(self.began.elapsed());
            done?;
        }
        Some(plan.again_at.map(|at| self.began + at))
    }

    /// Counts who is held back, and says when that begins and ends.
    fn tell(&mut self, plan: &Plan) {
        for _ in 0..plan.newly_waiting {
            HELD.count();
        }
        match (self.is_braking, plan.waiting) {
            (false, 1..) => tracing::warn!(
                target: "agent::leader",
                nodes = plan.waiting,
                "many nodes failed at once: the brake on mass failures holds some back, they turn critical later"
            ),
            (true, 0) => {
                tracing::info!(target: "agent::leader", "the brake on mass failures holds no node back any more");
            }
            _ => {}
        }
        self.is_braking = plan.waiting > 0;
    }
}

/// Proposes a write of a pass; `None` if that failed.
async fn written(duties: &Duties, write: Write) -> Option<()> {
    let done = propose(duties, write).await;
    if let Err(error) = &done {
        tracing::warn!(target: "agent::leader", %error, "failed to reconcile a member, will retry");
    }
    done.ok()
}

/// Makes what the ACL system stands on, and deletes tokens that have expired.
async fn keep_acl(duties: &Duties) {
    let Some(initial_management) = &duties.initial_management else { return };
    // The view must have everything that earlier leaders did, or their work would be done again.
    if duties.raft.ready_to_read(Consistency::Default).await.is_err() {
        return;
    }
    let new_id = || uuid::Uuid::new_v4().to_string();
    let context = Context { now: now(), new_id: &new_id, reset_index: 0, datacenter: "" };
    let view = duties.raft.reader().view();
    let commands = acl::write::initialize(&view, initial_management, &context);
    for command in commands.into_iter().chain(acl::write::reap(&view, context.now)) {
        if let Err(NotDone::Failed(error)) = duties.raft.propose(Command::Acl(command).encode().into()).await {
            tracing::warn!(target: "agent::leader", %error, "failed to keep the ACL system, will retry");
        }
    }
}

/// Deletes keys when their time has come, for as long as this server leads, which is for the caller to watch.
async fn expire_keys(raft: &RaftNode) {
    // The view must have everything that earlier leaders did, or their work would be done again.
    while raft.ready_to_read(Consistency::Consistent).await.is_err() {
        sleep(RETRY_INTERVAL).await;
    }
    loop {
        let (step, watches) = {
            let view = raft.reader().load();
            (expiry::step(&view, now()), view.expiry_watches())
        };
        match step {
            Step::Rest => watches.fired().await,
            Step::Wait(time) => tokio::select! {
                () = watches.fired() => {}
                () = sleep(time) => {}
            },
            Step::Delete(command) => {
                let Err(not_done) = raft.propose(command.encode().into()).await else { continue };
                if let NotDone::Failed(error) = not_done {
                    tracing::warn!(target: "agent::leader", %error, "failed to delete keys that have expired, will retry");
                }
                sleep(RETRY_INTERVAL).await;
            }
        }
    }
}

async fn propose(duties: &Duties, write: Write) -> Result<(), RequestError> {
    let request = Request { datacenter: String::new(), token: Token::default(), action: Action::Write(write) };
    duties.backend.call_trusted(request).await.map(drop)
}

/// How much of the past of keys is kept is for the leader to say: all servers must keep the same.
async fn limit_history(duties: &Duties) {
    // The view must have everything that earlier leaders did, or their work would be done again.
    if duties.raft.ready_to_read(Consistency::Default).await.is_err()
        || duties.raft.reader().load().kv_history_limits() == duties.kv_history
    {
        return;
    }
    let command = Command::KvHistory(duties.kv_history);
    if let Err(NotDone::Failed(error)) = duties.raft.propose(command.encode().into()).await {
        tracing::warn!(target: "agent::leader", %error, "failed to set how much history of keys is kept, will retry");
    }
}

async fn reap_tombstones(duties: &Duties, reaper: &mut TombstoneReaper, since_began: Duration) {
    let Some(command) = reaper.tick(since_began, &duties.raft.reader().load()) else { return };
    if let Err(NotDone::Failed(error)) = duties.raft.propose(command.encode().into()).await {
        tracing::warn!(target: "agent::leader", %error, "failed to reap tombstones, will retry");
    }
}

async fn write_coordinates(duties: &Duties) {
    for command in duties.local.take_coordinates() {
        if let Err(NotDone::Failed(error)) = duties.raft.propose(command.encode().into()).await {
            // The nodes tell again.
            tracing::warn!(target: "agent::leader", %error, "failed to write coordinates");
        }
    }
}
