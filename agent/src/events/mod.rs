//! User events: named messages to all agents of the datacenter, over gossip alone. Each agent remembers those that are
//! meant for it. Nothing of this is stored or replicated.

mod format;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::NodeName;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use uuid::Uuid;

use crate::gossip::{Pool, PoolEvent};
use crate::local::LocalAgent;
use crate::pattern;
use crate::remote_exec::{self, RemoteExec};

pub use format::NAME_PREFIX;

/// Events remembered; the oldest are forgotten first.
const REMEMBERED_MAX: usize = 256;
/// The event that a new leader fires, as Consul's servers do, so that agents look for it at once.
const NEW_LEADER: &str = "consul:new-leader";

/// One user event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvent {
    /// Given to it when it was fired.
    pub id: Uuid,
    /// What.
    pub name: String,
    /// Opaque.
    pub payload: Vec<u8>,
    /// Whom it is for.
    pub filters: Filters,
    /// Of the format.
    pub version: u64,
    /// Lamport time of the pool; 0 before it is sent.
    pub ltime: u64,
}

/// Regular expressions that say which agents an event is for; empty ones accept all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// The node's name must match.
    pub node: String,
    /// The name of a service that is registered on the agent must match.
    pub service: String,
    /// One of that service's tags must match.
    pub tag: String,
}

/// Why an event is not fired, in Consul's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FireError {
    /// Tags belong to services.
    #[error("Cannot provide tag filter without service filter")]
    TagAlone,
    /// A filter is no regular expression.
    #[error("Invalid {which} filter: {cause}")]
    Filter {
        /// Which of the three.
        which: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// The pool does not take it.
    #[error("1 error occurred:\n\t* error broadcasting event to segment \"\": {0}\n\n")]
    Refused(String),
}

impl UserEvent {
    /// A new event.
    #[must_use]
    pub fn new(name: String, payload: Vec<u8>, filters: Filters) -> Self {
        Self { id: Uuid::new_v4(), name, payload, filters, version: format::VERSION, ltime: 0 }
    }

    /// The index that stands for this event in blocking queries: both halves of its id, mixed.
    #[must_use]
    pub fn index(&self) -> u64 {
        let (high, low) = self.id.as_u64_pair();
        high ^ low
    }
}

impl Filters {
    /// Whether they can be understood.
    ///
    /// # Errors
    /// Which of them cannot.
    pub fn check(&self) -> Result<(), FireError> {
        for (which, filter) in [("node", &self.node), ("service", &self.service), ("tag", &self.tag)] {
            pattern::compile(filter).map_err(|cause| FireError::Filter { which, cause })?;
        }
        if !self.tag.is_empty() && self.service.is_empty() {
            return Err(FireError::TagAlone);
        }
        Ok(())
    }

    /// Whether an agent with these services (name and tags) is meant. Filters that cannot be understood accept nobody.
    fn accept<'a>(&self, node: &str, services: impl IntoIterator<Item = (&'a str, &'a [String])>) -> bool {
        let compile = |filter: &str| pattern::compile(filter).ok();
        let (Some(by_node), Some(by_service), Some(by_tag)) =
            (compile(&self.node), compile(&self.service), compile(&self.tag))
        else {
            return false;
        };
        let tagged = |tags: &[String]| self.tag.is_empty() || tags.iter().any(|tag| by_tag.is_match(tag));
        let served = |(name, tags): (&str, &[String])| by_service.is_match(name) && tagged(tags);
        by_node.is_match(node) && (self.service.is_empty() || services.into_iter().any(served))
    }
}

/// The user events of this agent.
pub struct Events {
    lan: Pool,
    local: Arc<LocalAgent>,
    recent: Mutex<VecDeque<Arc<UserEvent>>>,
    count: watch::Sender<u64>,
}

impl Events {
    /// Nothing is remembered yet.
    #[must_use]
    pub fn new(lan: Pool, local: Arc<LocalAgent>) -> Arc<Self> {
        Arc::new(Self { lan, local, recent: Mutex::default(), count: watch::Sender::new(0) })
    }

    /// Fires an event at the whole datacenter.
    ///
    /// # Errors
    /// When its filters are wrong or it is too large.
    pub async fn fire(&self, event: &UserEvent) -> Result<(), FireError> {
        event.filters.check()?;
        let refused = |error: &dyn std::fmt::Display| FireError::Refused(error.to_string());
        let payload = format::encode(event).map_err(|error| refused(&error))?;
        let name = format!("{NAME_PREFIX}{}", event.name);
        self.lan.user_event(&name, &payload, false).await.map_err(|error| refused(&error))
    }

    /// What is remembered, oldest first; only events of this name unless it is empty.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<Arc<UserEvent>> {
        self.recent().iter().filter(|event| name.is_empty() || event.name == name).cloned().collect()
    }

    /// Changes whenever an event is remembered.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<Arc<UserEvent>>> {
        // One push or pop is all that happens under the lock, so a panic elsewhere leaves it whole.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, event: UserEvent) {
        {
            let mut recent = self.recent();
            if recent.len() >= REMEMBERED_MAX {
                recent.pop_front();
            }
            recent.push_back(Arc::new(event));
        }
        self.count.send_modify(|count| *count += 1);
    }

    fn is_for_us(&self, event: &UserEvent) -> bool {
        self.local.with_registry(|registry| {
            let services = registry.services().values();
            let services = services.map(|entry| (entry.service.service.as_str(), entry.service.tags.as_slice()));
            event.filters.accept(&self.local.node().node, services)
        })
    }

    /// Takes events out of the pool for ever. `arrived` are the pool's events, subscribed before anything is fired; `exec`
    /// runs commands for others, where this agent does that.
    pub async fn run(
        self: Arc<Self>,
        mut arrived: tokio::sync::broadcast::Receiver<PoolEvent>,
        exec: Option<Arc<RemoteExec>>,
    ) {
        loop {
            let event = match arrived.recv().await {
                Ok(PoolEvent::UserEvent(event)) => event,
                Ok(_) => continue,
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(target: "agent::events", missed, "too many pool events at once; some were not seen");
                    continue;
                }
                Err(RecvError::Closed) => return,
            };
            if !event.name.starts_with(NAME_PREFIX) {
                continue;
            }
            match format::decode(&event.payload, event.ltime) {
                Some(event) if event.name == remote_exec::EVENT_NAME => {
                    if self.is_for_us(&event) {
                        obey(exec.clone(), event);
                    }
                }
                Some(event) if self.is_for_us(&event) => {
                    tracing::debug!(target: "agent::events", name = event.name, id = %event.id, "new user event");
                    self.remember(event);
                }
                Some(_) => {}
                None => tracing::debug!(target: "agent::events", name = event.name, "unreadable user event"),
            }
        }
    }
}

/// Runs what `consul exec` asks for, where this agent does that. Such events are not remembered.
fn obey(exec: Option<Arc<RemoteExec>>, event: UserEvent) {
    match exec {
        Some(exec) => {
            tracing::debug!(target: "agent::exec", id = %event.id, "received remote exec event");
            tokio::spawn(async move { exec.obey(&event.payload).await });
        }
        None => tracing::info!(target: "agent::exec", id = %event.id, "ignoring remote exec event, disabled."),
    }
}

/// Tells all agents that this server leads now.
pub async fn announce_leader(lan: &Pool, node: &NodeName) {
    if let Err(error) = lan.user_event(NEW_LEADER, node.as_bytes(), false).await {
        tracing::debug!(target: "agent::events", %error, "cannot announce the new leader");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(node: &str, service: &str, tag: &str) -> Filters {
        Filters { node: node.to_owned(), service: service.to_owned(), tag: tag.to_owned() }
    }

    #[test]
    fn filters_choose_agents() {
        let tags = ["blue".to_owned(), "v1".to_owned()];
        let services = || [("web", &tags[..]), ("db", &[][..])];
        for (filter, wanted) in [
            (filters("", "", ""), true),
            (filters("^n1$", "", ""), true),
            (filters("^n2$", "", ""), false),
            (filters("", "we", ""), true),
            (filters("", "cache", ""), false),
            (filters("", "web", "^v\\d$"), true),
            (filters("", "db", "v1"), false),
            (filters("[", "", ""), false),
        ] {
            assert_eq!(filter.accept("n1", services()), wanted, "{filter:?}");
        }
    }

    #[test]
    fn the_index_is_that_of_consul() {
        let id = Uuid::parse_str("67f7241d-b746-0b6d-76c2-f788e0f7eb88").expect("a UUID");
        let event = UserEvent { id, ..UserEvent::new("z".to_owned(), Vec::new(), Filters::default()) };
        assert_eq!(event.index(), 1_240_129_910_785_302_757);
    }
}
