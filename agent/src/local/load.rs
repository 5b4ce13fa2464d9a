//! Start and reload: what was kept on disk and what the configuration files define become registrations.
//!
//! A definition in a file wins over a kept registration of the same id. Kept checks start critical, so that nothing
//! unknown gets traffic, except TTL checks whose last result has not lapsed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use model::{HealthCheck, ServiceId, Status};

use super::agent::{Ask, LocalAgent, Settings};
use super::build::BuiltCheck;
use super::error::LocalError;
use super::registry::{OutputDelay, Registry, Source};
use super::sidecar::sidecar_id;
use super::spec::{ServiceSpec, StandaloneCheckSpec};
use super::store::{Kept, Store, StoreError};

/// Why the registrations cannot be brought up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory is of no use.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A service in a configuration file.
    #[error("Failed to register service {name:?}: {cause}")]
    Service {
        /// Its name.
        name: String,
        /// What is wrong with it.
        cause: LocalError,
    },
    /// A check in a configuration file.
    #[error("Failed to register check {name:?}: {cause}")]
    Check {
        /// Its name.
        name: String,
        /// What is wrong with it.
        cause: LocalError,
    },
}

impl LocalAgent {
    /// Brings up the registrations kept in `data_dir` (`None` keeps nothing) and those of the configuration files.
    /// Checks begin to run; `ask` is the way to the servers for aliases of other nodes. [`LocalAgent::run`] and [`super::sync::run`] must be spawned beside it.
    ///
    /// # Errors
    /// When the data directory cannot be used, or a definition is refused.
    pub async fn open(
        settings: Settings,
        data_dir: Option<&Path>,
        services: &[ServiceSpec],
        checks: &[StandaloneCheckSpec],
        ask: Option<Ask>,
    ) -> Result<Arc<Self>, OpenError> {
        let store = data_dir.map(Store::open).transpose()?;
        let kept = store.as_ref().map(Store::load).transpose()?.unwrap_or_default();
        let registry = restore(kept, SystemTime::now(), Instant::now());
        let local = Arc::new_cyclic(|this| Self::new(settings, store, registry, ask, this.clone()));
        local.start_restored();
        local.define(services, checks).await?;
        Ok(local)
    }

    /// Puts the definitions of the configuration files in place of the ones read before; registrations by API stay.
    ///
    /// # Errors
    /// When a definition is refused; the ones before it are in place then.
    pub async fn reload(&self, services: &[ServiceSpec], checks: &[StandaloneCheckSpec]) -> Result<(), OpenError> {
        let is_defined_service = |id: &ServiceId| {
            services.iter().any(|spec| {
                service_id(spec) == *id || (spec.sidecar().is_some() && sidecar_id(&service_id(spec)) == *id)
            })
        };
        let is_defined_check = |check: &HealthCheck| checks.iter().any(|spec| check_id(spec) == &*check.check_id);
        let (old_services, old_checks) = self.with_registry(|registry| {
            let from_file = |source: Source| source == Source::Local;
            let services = registry.services().values().filter(|entry| from_file(entry.source));
            let services: Vec<_> = services.map(|entry| entry.service.id.clone()).collect();
            // Maintenance is the agent's own and has no definition.
            let checks = registry.checks().values().filter(|entry| from_file(entry.source) && entry.spec.is_some());
            let checks: Vec<_> = checks.map(|entry| entry.check.clone()).collect();
            (services, checks)
        });
        for id in old_services.iter().filter(|id| !is_defined_service(id)) {
            let gone = self.deregister_service(id).await;
            gone.map_err(|cause| OpenError::Service { name: id.to_string(), cause })?;
        }
        for check in old_checks.iter().filter(|check| check.service_id.is_empty() && !is_defined_check(check)) {
            let gone = self.deregister_check(&check.check_id).await;
            gone.map_err(|cause| OpenError::Check { name: check.name.clone(), cause })?;
        }
        self.define(services, checks).await
    }

    async fn define(&self, services: &[ServiceSpec], checks: &[StandaloneCheckSpec]) -> Result<(), OpenError> {
        for spec in services {
            let defined = self.register_service(spec, Source::Local, true).await;
            defined.map_err(|cause| OpenError::Service { name: spec.name.to_string(), cause })?;
        }
        for spec in checks {
            let defined = self.register_check(spec, Source::Local).await;
            defined.map_err(|cause| OpenError::Check { name: spec.check.name.clone(), cause })?;
        }
        Ok(())
    }

    /// Runs the restored checks; script checks only if they are still allowed.
    fn start_restored(&self) {
        let now = Instant::now();
        let restored: Vec<_> = self.with_registry(|registry| {
            let entries = registry.checks().values();
            entries
                .filter_map(|entry| {
                    Some((entry.check.check_id.clone(), entry.spec.clone()?, entry.token.clone(), entry.source))
                })
                .collect()
        });
        for (id, spec, token, source) in restored {
            match self.allow_script(&spec, source) {
                Ok(()) => self.start_check(&id, &spec, &token, now),
                Err(error) => tracing::warn!(target: "agent::local", check = %id, %error, "a kept check is not run"),
            }
        }
    }
}

fn service_id(spec: &ServiceSpec) -> ServiceId {
    if spec.id.is_empty() { ServiceId::new(&*spec.name) } else { spec.id.clone() }
}

fn check_id(spec: &StandaloneCheckSpec) -> &str {
    if spec.check.check_id.is_empty() { &spec.check.name } else { &spec.check.check_id }
}

/// The registrations that were kept; checks whose service is gone are left out.
fn restore(kept: Kept, wall_clock: SystemTime, now: Instant) -> Registry {
    let mut registry = Registry::default();
    for service in kept.services {
        let id = service.service.id.clone();
        registry.put_service(service.service, service.token, service.source);
        if service.is_sidecar {
            registry.mark_sidecar(&id);
        }
    }
    for entry in kept.checks {
        let mut check = entry.check;
        let id = check.check_id.clone();
        if !check.service_id.is_empty() && !registry.services().contains_key(&check.service_id) {
            tracing::warn!(target: "agent::local", check = %id, service = %check.service_id, "a kept check has no service");
            continue;
        }
        "critical".clone_into(&mut check.status);
        match entry.spec {
            Some(spec) => registry.put_check(BuiltCheck { check, spec }, entry.token, entry.source, now),
            None => registry.put_fixed_check(check, entry.token, now),
        }
        let valid = kept.states.get(&id).filter(|state| state.is_valid(wall_clock));
        if let Some((state, status)) = valid.and_then(|state| Some((state, state.status.parse::<Status>().ok()?))) {
            registry.set_result(&id, status, &state.output, OutputDelay::None, now);
        }
    }
    registry
}
