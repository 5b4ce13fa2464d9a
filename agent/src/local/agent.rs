//! The registrations of this agent as one object: registering, deregistering, results of checks, and what the HTTP API
//! shows of them. Changes are on the disk before they are answered; the catalog follows (`sync`).

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use client::tls::TlsSettings;
use futures::future::BoxFuture;
use model::{CheckId, Node, NodeService, ServiceId, Status, Token};
use server::request::{Request, RequestError, Response};
use tokio::sync::{Notify, watch};

use super::build::{BuiltCheck, Rules, build_service, build_service_as, build_service_checks, build_standalone_check};
use super::error::LocalError;
use super::expose::rerouted;
use super::limits::{CATALOG_WAIT_MAX, CHECKS_MAX, REAP_INTERVAL, SERVICES_MAX};
use super::probe::Action;
use super::registry::{Change, OutputDelay, Registry, Source};
use super::sidecar;
use super::spec::{CheckSpec, ServiceSpec, StandaloneCheckSpec};
use super::store::{KeptCheck, KeptService, KeptState, Store, StoreError};
use super::stripes::Stripes;
use crate::checks::{Outcome, Runner, output};
use crate::tokens::Tokens;

/// What an agent is told about its registrations.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node's own record: id, name, address, tagged addresses, metadata.
    pub node: Node,
    /// Whether script checks may come from files and over HTTP.
    pub script_checks: bool,
    /// Whether script checks may come from files.
    pub local_script_checks: bool,
    /// How long a change of a check's output alone may wait before it is written; zero for not at all.
    pub check_update_interval: Duration,
    /// Longest output of a check that is kept, bytes.
    pub check_output_max_size: usize,
    /// Keep no output of checks at all.
    pub discard_check_output: bool,
    /// Tokens of what brings no token of its own.
    pub tokens: Arc<Tokens>,
    /// Ports that sidecars without a port get theirs from; `None` when they must give one.
    pub sidecar_ports: Option<RangeInclusive<u16>>,
    /// Ports on which proxies expose what checks ask.
    pub expose_ports: RangeInclusive<u16>,
    /// Whom checks over TLS trust, and who they are.
    pub check_tls: TlsSettings,
    /// Time in which half of a check's flapping is forgotten; zero for no damping.
    pub flap_half_life: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node: Node::default(),
            script_checks: false,
            local_script_checks: false,
            check_update_interval: Duration::from_secs(300),
            check_output_max_size: 4096,
            discard_check_output: false,
            tokens: Arc::default(),
            sidecar_ports: None,
            expose_ports: 21_500..=21_755,
            check_tls: TlsSettings::default(),
            flap_half_life: Duration::ZERO,
        }
    }
}

/// A service that is about to be registered.
struct Registration {
    service: NodeService,
    checks: Vec<BuiltCheck>,
    token: Token,
    source: Source,
    is_sidecar: bool,
}

/// The way to the servers.
pub type Ask = Arc<dyn Fn(Request) -> BoxFuture<'static, Result<Response, RequestError>> + Send + Sync>;

/// The registrations of this agent.
pub struct LocalAgent {
    pub(super) settings: Settings,
    /// The node's own record now.
    node: ArcSwap<Node>,
    discards_output: AtomicBool,
    pub(super) store: Option<Store>,
    pub(super) runner: Runner,
    registry: Mutex<Registry>,
    changes: watch::Sender<u64>,
    /// The last change that the catalog was told of, or would have been had it not refused it; nothing while nobody
    /// tells it.
    told: watch::Sender<Option<u64>>,
    full_sync: Notify,
    /// Held by the names of what is registered or deregistered, so that disk and memory agree.
    mutations: Stripes,
}

impl LocalAgent {
    pub(super) fn new(
        settings: Settings,
        store: Option<Store>,
        registry: Registry,
        ask: Option<Ask>,
        this: Weak<Self>,
    ) -> Self {
        Self {
            runner: Runner::new(this, settings.check_tls.clone(), ask, settings.flap_half_life),
            node: ArcSwap::from_pointee(settings.node.clone()),
            discards_output: AtomicBool::new(settings.discard_check_output),
            settings,
            store,
            registry: Mutex::new(registry),
            changes: watch::Sender::new(0),
            told: watch::Sender::new(None),
            full_sync: Notify::new(),
            mutations: Stripes::new(),
        }
    }

    /// The node's own record.
    #[must_use]
    pub fn node(&self) -> Arc<Node> {
        self.node.load_full()
    }

    /// Takes over what a reload may change: the metadata of the node, and whether outputs of checks are kept.
    pub fn reconfigure(&self, meta: &model::TextMap, discard_check_output: bool) {
        self.discards_output.store(discard_check_output, Ordering::Relaxed);
        let old = self.node();
        let mut meta = meta.clone();
        // What the agent adds by itself stays.
        meta.extend(
            old.meta
                .iter()
                .flatten()
                .filter(|(key, _)| key.starts_with("consul-"))
                .map(|(k, v)| (k.clone(), v.clone())),
        );
        if old.meta.as_ref() != Some(&meta) {
            self.node.store(Arc::new(Node { meta: Some(meta), ..(*old).clone() }));
            self.sync_now();
        }
    }

    /// What the agent was told.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Token of what the agent does by itself: the node's own record, and looking into the catalog.
    #[must_use]
    pub fn agent_token(&self) -> Token {
        self.settings.tokens.agent()
    }

    /// Token of services and checks that bring none of their own.
    #[must_use]
    pub fn default_token(&self) -> Token {
        self.settings.tokens.of_requests()
    }

    /// Reads the registrations. The closure must be short and must not block.
    pub fn with_registry<T>(&self, read: impl FnOnce(&Registry) -> T) -> T {
        read(&self.lock())
    }

    pub(super) fn with_registry_mut<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        change(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        // A panic while the lock was held can only have left a whole entry in or out: go on with what there is.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers of TTL checks and of all others that run.
    #[must_use]
    pub fn running_checks(&self) -> (usize, usize) {
        self.runner.counts()
    }

    /// Gets a new value after every change of a service or check.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn notify(&self) {
        self.changes.send_modify(|change| *change += 1);
    }

    /// Waits until the catalog was told of everything that is registered now, and took or refused it; at most
    /// [`CATALOG_WAIT_MAX`], so that registering works without servers too.
    pub async fn catalog_told(&self) {
        let change = *self.changes.borrow();
        let mut told = self.told.subscribe();
        if told.borrow().is_some() {
            // Too late or in time, the answer is the same: what was registered stays registered here.
            let _ = tokio::time::timeout(CATALOG_WAIT_MAX, told.wait_for(|told| *told >= Some(change))).await;
        }
    }

    pub(super) fn mark_told(&self, change: u64) {
        self.told.send_replace(Some(change));
    }

    /// Compares with the whole catalog now instead of at the next interval: for when servers have just been found.
    pub fn sync_now(&self) {
        self.full_sync.notify_one();
    }

    pub(super) async fn full_sync_wanted(&self) {
        self.full_sync.notified().await;
    }

    /// Registers a service with its checks, in place of one with the same id. Checks that the service had before stay
    /// unless `replace_checks`.
    ///
    /// # Errors
    /// When the definition is refused or cannot be kept; then nothing has changed.
    pub async fn register_service(
        &self,
        spec: &ServiceSpec,
        source: Source,
        replace_checks: bool,
    ) -> Result<(), LocalError> {
        let service = build_service(spec)?;
        let checks = build_service_checks(&self.settings.node.node, &service, spec)?;
        for check in &checks {
            self.allow_script(&check.spec, source)?;
        }
        let _alone = match spec.sidecar() {
            // Its port must not be chosen twice.
            Some(_) => self.mutations.lock_all().await,
            None => {
                let names = checks.iter().map(|built| built.check.check_id.as_str());
                self.mutations.lock(names.chain([service.id.as_str()])).await
            }
        };
        let sidecar = match spec.sidecar() {
            Some(given) => Some(self.build_sidecar(given, &service, spec)?),
            None => None,
        };
        let registration = Registration { service, checks, token: spec.token.clone(), source, is_sidecar: false };
        self.put_service(registration, replace_checks).await?;
        if let Some((sidecar, service, checks)) = sidecar {
            let token = sidecar.token;
            let registration = Registration { service, checks, token, source, is_sidecar: true };
            self.put_service(registration, replace_checks).await?;
        }
        Ok(())
    }

    /// The sidecar of a service, ready to be registered.
    fn build_sidecar(
        &self,
        given: &ServiceSpec,
        service: &NodeService,
        spec: &ServiceSpec,
    ) -> Result<(ServiceSpec, NodeService, Vec<BuiltCheck>), LocalError> {
        let mut sidecar = sidecar::definition(given, service, &spec.token);
        if sidecar.port < 1 {
            let range = self.settings.sidecar_ports.as_ref();
            sidecar.port = self.with_registry(|registry| {
                let registered = registry.services().values().map(|entry| &*entry.service);
                sidecar::choose_port(range, &sidecar.id, registered)
            })?;
        }
        if sidecar.check.is_none() && sidecar.checks.is_empty() {
            sidecar.checks = sidecar::default_checks(&sidecar, &service.id);
        }
        let built = build_service_as(&sidecar, Rules::OfSidecars)?;
        let checks = build_service_checks(&self.settings.node.node, &built, &sidecar)?;
        Ok((sidecar, built, checks))
    }

    /// Puts a service with its checks on the disk and into the registry, and runs the checks.
    async fn put_service(&self, registration: Registration, replace_checks: bool) -> Result<(), LocalError> {
        let Registration { service, checks, token, source, is_sidecar } = registration;
        let id = service.id.clone();
        let dropped = self.with_registry(|registry| {
            self.has_room(registry, usize::from(!registry.services().contains_key(&id)), checks.len())?;
            let mut dropped = if replace_checks { registry.checks_of(&id) } else { Vec::new() };
            dropped.retain(|old| !checks.iter().any(|new| new.check.check_id == *old));
            Ok::<_, LocalError>(dropped)
        })?;
        let kept = KeptService { token: token.clone(), service: service.clone(), source, is_sidecar };
        let kept_checks: Vec<KeptCheck> = checks.iter().map(|built| kept_check(built, &token, source)).collect();
        let removed = dropped.clone();
        self.on_disk(move |store| {
            if source == Source::Remote {
                kept_checks.iter().try_for_each(|check| store.put_check(check))?;
                store.put_service(&kept)?;
            } else {
                store.remove_service(&kept.service.id)?;
            }
            removed.iter().try_for_each(|check| store.remove_check(check))
        })
        .await?;
        let now = Instant::now();
        for check in &dropped {
            self.runner.stop(check);
        }
        self.with_registry_mut(|registry| {
            for check in &dropped {
                registry.remove_check(check);
            }
            registry.put_service(service, token.clone(), source);
            if is_sidecar {
                registry.mark_sidecar(&id);
            }
            for check in &checks {
                registry.put_check(check.clone(), token.clone(), source, now);
            }
        });
        for check in &checks {
            self.start_check(&check.check.check_id, &check.spec, &token, now);
        }
        self.notify();
        Ok(())
    }

    /// Removes a service with its checks and its sidecar. Returns whether it was there.
    ///
    /// # Errors
    /// When no service is named, or the removal cannot be kept.
    pub async fn deregister_service(&self, id: &ServiceId) -> Result<bool, LocalError> {
        if id.is_empty() {
            return Err(LocalError::MissingServiceId);
        }
        let _alone = self.hold(id).await;
        let was_there = self.remove_service(id).await?;
        let sidecar = sidecar::sidecar_id(id);
        if self.with_registry(|registry| registry.services().get(&sidecar).is_some_and(|entry| entry.is_sidecar)) {
            self.remove_service(&sidecar).await?;
        }
        Ok(was_there)
    }

    /// Holds a service with its sidecar and the checks of both.
    async fn hold(&self, id: &ServiceId) -> Vec<tokio::sync::MutexGuard<'_, ()>> {
        let sidecar = sidecar::sidecar_id(id);
        let names = || {
            self.with_registry(|registry| {
                let checks = [registry.checks_of(id), registry.checks_of(&sidecar)].concat();
                let checks = checks.iter().map(|check| check.as_str().to_owned());
                checks.chain([id.as_str().to_owned(), sidecar.as_str().to_owned()]).collect::<Vec<String>>()
            })
        };
        loop {
            let wanted = names();
            let guards = self.mutations.lock(wanted.iter().map(String::as_str)).await;
            // Checks may have come or gone while it waited.
            if names() == wanted {
                return guards;
            }
        }
    }

    async fn remove_service(&self, id: &ServiceId) -> Result<bool, LocalError> {
        let Some(checks) =
            self.with_registry(|registry| registry.services().contains_key(id).then(|| registry.checks_of(id)))
        else {
            return Ok(false);
        };
        let (gone, gone_checks) = (id.clone(), checks.clone());
        self.on_disk(move |store| {
            store.remove_service(&gone)?;
            gone_checks.iter().try_for_each(|check| store.remove_check(check))
        })
        .await?;
        for check in &checks {
            self.runner.stop(check);
        }
        self.with_registry_mut(|registry| {
            for check in &checks {
                registry.remove_check(check);
            }
            registry.remove_service(id);
        });
        self.notify();
        Ok(true)
    }

    /// Registers a check, in place of one with the same id, whose status it keeps.
    ///
    /// # Errors
    /// When the definition is refused or cannot be kept; then nothing has changed.
    pub async fn register_check(&self, spec: &StandaloneCheckSpec, source: Source) -> Result<(), LocalError> {
        let node = &self.settings.node.node;
        // What is wrong with the check itself is said before its service is looked up.
        let id = build_standalone_check(node, spec, None)?.check.check_id;
        self.allow_script(&spec.check, source)?;
        let _alone = self.mutations.lock([id.as_str(), spec.service_id.as_str()]).await;
        let service = self.with_registry(|registry| {
            self.has_room(registry, 0, 1)?;
            if spec.service_id.is_empty() {
                return Ok(None);
            }
            let known = registry.services().get(&spec.service_id);
            let entry = known.ok_or_else(|| LocalError::UnknownServiceOfCheck(spec.service_id.clone()))?;
            Ok::<_, LocalError>(Some((entry.service.clone(), entry.token.clone())))
        })?;
        let built = build_standalone_check(node, spec, service.as_ref().map(|(service, _)| &**service))?;
        let token = match service {
            Some((_, token)) if spec.token == Token::default() => token,
            _ => spec.token.clone(),
        };
        let kept = kept_check(&built, &token, source);
        self.on_disk(move |store| match source {
            Source::Remote => store.put_check(&kept),
            Source::Local => store.remove_check(&kept.check.check_id),
        })
        .await?;
        let now = Instant::now();
        let (id, check_spec) = (built.check.check_id.clone(), built.spec.clone());
        self.with_registry_mut(|registry| registry.put_check(built, token.clone(), source, now));
        self.start_check(&id, &check_spec, &token, now);
        self.notify();
        Ok(())
    }

    /// Removes a check. Returns whether it was there.
    ///
    /// # Errors
    /// When no check is named, or the removal cannot be kept.
    pub async fn deregister_check(&self, id: &CheckId) -> Result<bool, LocalError> {
        if id.is_empty() {
            return Err(LocalError::MissingCheckId);
        }
        let _alone = self.mutations.lock([id.as_str()]).await;
        if !self.with_registry(|registry| registry.checks().contains_key(id)) {
            return Ok(false);
        }
        let gone = id.clone();
        self.on_disk(move |store| store.remove_check(&gone)).await?;
        self.runner.stop(id);
        self.with_registry_mut(|registry| registry.remove_check(id));
        self.notify();
        Ok(true)
    }

    /// Sets the result of a TTL check by API, which also begins its time anew.
    ///
    /// # Errors
    /// When the status does not exist, the check is not a TTL check, or the result cannot be kept.
    pub async fn update_ttl(&self, id: &CheckId, status: &str, text: &str) -> Result<(), LocalError> {
        let status: Status = status.parse().map_err(|_| LocalError::InvalidUpdateStatus(status.to_owned()))?;
        let limit = self.with_registry(|registry| {
            let spec = registry.checks().get(id).and_then(|entry| entry.spec.as_ref());
            let agents = self.settings.check_output_max_size;
            spec.map_or(agents, |spec| spec.output_max(agents))
        });
        let text = output::keep_first(text, limit);
        let ttl = self.runner.refresh_ttl(id, &text, Instant::now()).ok_or_else(|| LocalError::NotTtl(id.clone()))?;
        self.set_result(id, status, &text);
        let state = KeptState::new(id.clone(), status.to_string(), text, ttl, SystemTime::now());
        self.on_disk(move |store| store.put_state(&state)).await?;
        Ok(())
    }

    pub(super) fn start_check(&self, id: &CheckId, spec: &CheckSpec, token: &Token, now: Instant) {
        let token = if *token == Token::default() { self.agent_token() } else { token.clone() };
        self.runner.start(id, spec, &token, spec.output_max(self.settings.check_output_max_size), now);
    }

    /// What a check does now: the same through a proxy, if one exposes the checks of its service.
    pub(crate) fn routed(&self, id: &CheckId, action: &Action) -> Option<Action> {
        self.with_registry_mut(|registry| {
            let service = registry.checks().get(id).map(|entry| entry.check.service_id.clone())?;
            let (address, port) = registry.exposed.route(&service, id, &self.settings.expose_ports)?;
            rerouted(action, address, port)
        })
    }

    /// Takes the result of a check's task, unless the check was replaced meanwhile.
    pub(crate) fn report(&self, id: &CheckId, generation: u64, outcome: &Outcome) {
        if self.runner.is_current(id, generation) {
            self.set_result(id, outcome.status, &outcome.output);
        }
    }

    /// Takes the result of a check; results of checks that are gone are dropped.
    pub(crate) fn set_result(&self, id: &CheckId, status: Status, output: &str) {
        let settings = &self.settings;
        let output = if self.discards_output.load(Ordering::Relaxed) { "" } else { output };
        let delay = match settings.check_update_interval {
            Duration::ZERO => OutputDelay::None,
            interval => OutputDelay::After(interval / 2 + interval.mul_f64(rand::random::<f64>())),
        };
        match self.with_registry_mut(|registry| registry.set_result(id, status, output, delay, Instant::now())) {
            Some(Change::Status) => {
                tracing::info!(target: "agent::agent", check = %id, %status, "Check changed its status");
                self.notify();
            }
            Some(Change::Output) => self.notify(),
            Some(Change::Nothing) | None => {}
        }
    }

    /// Removes services that have been critical for longer than their checks allow. Runs until dropped.
    pub async fn reap_critical_services(self: Arc<Self>) {
        loop {
            tokio::time::sleep(REAP_INTERVAL).await;
            for service in self.with_registry(|registry| registry.critical_for_too_long(Instant::now())) {
                tracing::info!(target: "agent::agent", %service, "deregistering a service that stayed critical for too long");
                if let Err(error) = self.deregister_service(&service).await {
                    tracing::error!(target: "agent::agent", %service, %error, "failed to deregister a critical service");
                }
            }
        }
    }

    /// Runs what registrations need by themselves (lapsing TTLs, removal of critical services) until dropped.
    pub async fn run(self: Arc<Self>) {
        tokio::join!(Arc::clone(&self).reap_critical_services(), self.runner.lapse_ttls());
    }

    pub(super) async fn on_disk(
        &self,
        act: impl FnOnce(&Store) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let Some(store) = self.store.clone() else { return Ok(()) };
        match tokio::task::spawn_blocking(move || act(&store)).await {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    pub(super) async fn alone(&self) -> Vec<tokio::sync::MutexGuard<'_, ()>> {
        self.mutations.lock_all().await
    }

    pub(super) fn allow_script(&self, spec: &CheckSpec, source: Source) -> Result<(), LocalError> {
        let settings = &self.settings;
        match source {
            _ if !spec.is_script() || settings.script_checks => Ok(()),
            Source::Local if settings.local_script_checks => Ok(()),
            Source::Remote if settings.local_script_checks => Err(LocalError::RemoteScriptsDisabled),
            Source::Local | Source::Remote => Err(LocalError::ScriptsDisabled),
        }
    }

    fn has_room(&self, registry: &Registry, services: usize, checks: usize) -> Result<(), LocalError> {
        if registry.services().len() + services > SERVICES_MAX {
            return Err(LocalError::Full("16384 services"));
        }
        if registry.checks().len() + checks > CHECKS_MAX {
            return Err(LocalError::Full("65536 checks"));
        }
        Ok(())
    }
}

fn kept_check(built: &BuiltCheck, token: &Token, source: Source) -> KeptCheck {
    KeptCheck { check: built.check.clone(), spec: Some(built.spec.clone()), token: token.clone(), source }
}
