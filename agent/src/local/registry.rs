//! The services and checks of this agent, and which of them the catalog does not have yet. Pure: no files, no clock.
//!
//! Every entry has a revision, so that an answer of the servers to an older state does not hide a newer change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{CheckId, HealthCheck, NodeService, ServiceId, Status, Token};
use serde::{Deserialize, Serialize};

use super::build::BuiltCheck;
use super::expose::Exposed;
use super::spec::CheckSpec;

/// Where a registration came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A configuration file, or the agent itself.
    #[default]
    Local,
    /// The HTTP API.
    Remote,
}

/// A registered service.
#[derive(Clone, Debug)]
pub struct ServiceEntry {
    /// As the catalog should have it.
    pub service: Arc<NodeService>,
    /// Token to write it with.
    pub token: Token,
    /// Where it came from.
    pub source: Source,
    /// Whether it is the sidecar of another service here and goes with it.
    pub is_sidecar: bool,
    /// Whether the catalog has it.
    pub in_sync: bool,
    /// Raised on every change.
    pub revision: u64,
}

/// A registered check.
#[derive(Clone, Debug)]
pub struct CheckEntry {
    /// As the catalog should have it.
    pub check: Arc<HealthCheck>,
    /// How it is run; `None` for the maintenance checks, which are not.
    pub spec: Option<CheckSpec>,
    /// Token to write it with.
    pub token: Token,
    /// Where it came from.
    pub source: Source,
    /// Whether the catalog has it.
    pub in_sync: bool,
    /// Raised on every change.
    pub revision: u64,
    /// When a change of the output alone is to be written, if there is one.
    pub output_due: Option<Instant>,
    /// Since when it has been critical without a break.
    pub critical_since: Option<Instant>,
}

/// When a change of the output alone may be written.
#[derive(Clone, Copy, Debug)]
pub enum OutputDelay {
    /// With the next synchronisation.
    None,
    /// After this time.
    After(Duration),
}

/// All registrations of this agent.
#[derive(Debug, Default)]
pub struct Registry {
    pub(super) services: BTreeMap<ServiceId, ServiceEntry>,
    pub(super) checks: BTreeMap<CheckId, CheckEntry>,
    /// Removed here, and perhaps still in the catalog; with the token to remove them with.
    pub(super) gone_services: BTreeMap<ServiceId, Token>,
    pub(super) gone_checks: BTreeMap<CheckId, Token>,
    pub(super) node_in_sync: bool,
    /// Checks that go through proxies.
    pub(super) exposed: Exposed,
    revision: u64,
}

impl Registry {
    fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    /// Services by id.
    #[must_use]
    pub fn services(&self) -> &BTreeMap<ServiceId, ServiceEntry> {
        &self.services
    }

    /// Checks by id.
    #[must_use]
    pub fn checks(&self) -> &BTreeMap<CheckId, CheckEntry> {
        &self.checks
    }

    /// Ids of the checks of a service.
    #[must_use]
    pub fn checks_of(&self, service: &ServiceId) -> Vec<CheckId> {
        let of_service = self.checks.values().filter(|entry| entry.check.service_id == *service);
        of_service.map(|entry| entry.check.check_id.clone()).collect()
    }

    /// Adds or replaces a service. Its checks take over its name and tags.
    pub fn put_service(&mut self, service: NodeService, token: Token, source: Source) {
        let revision = self.next_revision();
        let id = service.id.clone();
        self.gone_services.remove(&id);
        self.exposed.put(&service);
        for entry in self.checks.values_mut().filter(|entry| entry.check.service_id == id) {
            let check = Arc::make_mut(&mut entry.check);
            check.service_name = service.service.clone();
            check.service_tags.clone_from(&service.tags);
        }
        let service = Arc::new(service);
        let entry = ServiceEntry { service, token, source, is_sidecar: false, in_sync: false, revision };
        self.services.insert(id, entry);
    }

    /// Marks a service as the sidecar of another one.
    pub fn mark_sidecar(&mut self, id: &ServiceId) {
        if let Some(entry) = self.services.get_mut(id) {
            entry.is_sidecar = true;
        }
    }

    /// Adds or replaces a check; a check of the same id keeps its status and output.
    pub fn put_check(&mut self, built: BuiltCheck, token: Token, source: Source, now: Instant) {
        let BuiltCheck { mut check, spec } = built;
        if let Some(existing) = self.checks.get(&check.check_id) {
            check.status.clone_from(&existing.check.status);
            check.output.clone_from(&existing.check.output);
        }
        self.insert_check(check, Some(spec), (token, source), now);
    }

    /// Adds a check that nothing runs (maintenance).
    pub fn put_fixed_check(&mut self, check: HealthCheck, token: Token, now: Instant) {
        self.insert_check(check, None, (token, Source::Local), now);
    }

    fn insert_check(
        &mut self,
        check: HealthCheck,
        spec: Option<CheckSpec>,
        (token, source): (Token, Source),
        now: Instant,
    ) {
        let revision = self.next_revision();
        self.gone_checks.remove(&check.check_id);
        let critical_since = check.is_critical().then(|| {
            let before = self.checks.get(&check.check_id).and_then(|entry| entry.critical_since);
            before.unwrap_or(now)
        });
        let entry = CheckEntry {
            check: Arc::new(check),
            spec,
            token,
            source,
            in_sync: false,
            revision,
            output_due: None,
            critical_since,
        };
        self.checks.insert(entry.check.check_id.clone(), entry);
    }

    /// Removes a service; its checks must have been removed before.
    pub fn remove_service(&mut self, id: &ServiceId) -> Option<ServiceEntry> {
        let entry = self.services.remove(id)?;
        self.exposed.remove(id);
        self.next_revision();
        self.gone_services.insert(id.clone(), entry.token.clone());
        Some(entry)
    }

    /// Removes a check.
    pub fn remove_check(&mut self, id: &CheckId) -> Option<CheckEntry> {
        let entry = self.checks.remove(id)?;
        self.exposed.remove_check(id);
        self.next_revision();
        self.gone_checks.insert(id.clone(), entry.token.clone());
        Some(entry)
    }

    /// Sets the result of a check. A new status is written at once, a new output alone after the delay.
    /// Returns whether anything changed, and `None` if there is no such check.
    pub fn set_result(
        &mut self,
        id: &CheckId,
        status: Status,
        output: &str,
        delay: OutputDelay,
        now: Instant,
    ) -> Option<Change> {
        let revision = self.revision + 1;
        let entry = self.checks.get_mut(id)?;
        let same_status = entry.check.status == status.as_str();
        if same_status && entry.check.output == output {
            return Some(Change::Nothing);
        }
        let check = Arc::make_mut(&mut entry.check);
        output.clone_into(&mut check.output);
        if same_status {
            if let OutputDelay::After(time) = delay {
                entry.output_due.get_or_insert(now + time);
                return Some(Change::Output);
            }
        } else {
            status.as_str().clone_into(&mut check.status);
            entry.critical_since = (status == Status::Critical).then_some(now);
        }
        entry.in_sync = false;
        entry.output_due = None;
        entry.revision = revision;
        self.revision = revision;
        Some(if same_status { Change::Output } else { Change::Status })
    }

    /// Marks the changed outputs that have waited long enough; returns when the next one will have.
    pub fn release_outputs(&mut self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for entry in self.checks.values_mut() {
            match entry.output_due {
                Some(due) if due <= now => {
                    entry.output_due = None;
                    entry.in_sync = false;
                }
                Some(due) => next = Some(next.map_or(due, |earlier| earlier.min(due))),
                None => {}
            }
        }
        next
    }

    /// Services that have a check which has been critical for longer than it may.
    #[must_use]
    pub fn critical_for_too_long(&self, now: Instant) -> Vec<ServiceId> {
        let mut services: Vec<ServiceId> = Vec::new();
        for entry in self.checks.values() {
            let (Some(since), Some(spec)) = (entry.critical_since, &entry.spec) else { continue };
            let Some(limit) = spec.deregister_after() else { continue };
            let service = &entry.check.service_id;
            if !service.is_empty() && now.saturating_duration_since(since) > limit && !services.contains(service) {
                services.push(service.clone());
            }
        }
        services
    }
}

/// What a result changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Nothing,
    /// The output alone.
    Output,
    /// The status.
    Status,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ttl_check(id: &str, status: &str, more: &str) -> BuiltCheck {
        let spec = serde_json::from_str(&format!(r#"{{"TTL":"1s"{more}}}"#)).expect("a test's own JSON");
        let check = HealthCheck {
            check_id: id.into(),
            status: status.into(),
            service_id: "web".into(),
            ..HealthCheck::default()
        };
        BuiltCheck { check, spec }
    }

    fn registry_with(check: BuiltCheck, now: Instant) -> Registry {
        let mut registry = Registry::default();
        registry.put_check(check, Token::default(), Source::Remote, now);
        registry
    }

    #[test]
    fn a_new_output_alone_waits_and_a_new_status_does_not() {
        let (id, now) = (CheckId::from("c"), Instant::now());
        let mut registry = registry_with(ttl_check("c", "passing", ""), now);
        registry.checks.get_mut(&id).expect("just added").in_sync = true;
        let delay = OutputDelay::After(Duration::from_secs(100));
        let minute = Duration::from_secs(60);
        assert_eq!(registry.set_result(&id, Status::Passing, "a", delay, now), Some(Change::Output));
        assert_eq!(registry.set_result(&id, Status::Passing, "b", delay, now + minute), Some(Change::Output));
        assert!(registry.checks[&id].in_sync, "the output waits");
        assert_eq!(registry.release_outputs(now + minute), Some(now + Duration::from_secs(100)));
        assert_eq!(registry.release_outputs(now + 2 * minute), None);
        assert!(!registry.checks[&id].in_sync, "the first change counts, not the last");

        registry.checks.get_mut(&id).expect("still there").in_sync = true;
        assert_eq!(registry.set_result(&id, Status::Critical, "b", delay, now), Some(Change::Status));
        assert!(!registry.checks[&id].in_sync);
        assert_eq!(registry.set_result(&id, Status::Critical, "b", delay, now), Some(Change::Nothing));
        assert_eq!(registry.set_result(&"other".into(), Status::Critical, "", delay, now), None);
    }

    #[test]
    fn a_check_registered_again_keeps_its_status() {
        let (id, now) = (CheckId::from("c"), Instant::now());
        let mut registry = registry_with(ttl_check("c", "critical", ""), now);
        registry.set_result(&id, Status::Warning, "hot", OutputDelay::None, now);
        registry.put_check(ttl_check("c", "passing", ""), Token::default(), Source::Remote, now);
        assert_eq!(registry.checks[&id].check.status, "warning");
        assert_eq!(registry.checks[&id].check.output, "hot");
    }

    #[test]
    fn services_that_stay_critical_are_named_after_their_time() {
        let now = Instant::now();
        let check = ttl_check("c", "critical", r#","DeregisterCriticalServiceAfter":"90s""#);
        let mut registry = registry_with(check, now);
        assert!(registry.critical_for_too_long(now + Duration::from_secs(89)).is_empty());
        assert_eq!(registry.critical_for_too_long(now + Duration::from_secs(91)), [ServiceId::from("web")]);
        registry.set_result(&"c".into(), Status::Passing, "", OutputDelay::None, now);
        assert!(registry.critical_for_too_long(now + Duration::from_secs(91)).is_empty());
    }
}
