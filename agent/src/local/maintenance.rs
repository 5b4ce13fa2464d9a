//! Maintenance mode: a critical check that nothing runs, on the node or on one service.

use std::time::Instant;

use model::{CheckId, HealthCheck, NodeService, ServiceId, Token};

use super::LocalAgent;
use super::error::LocalError;
use super::registry::Source;
use super::store::KeptCheck;

/// Id of the check that puts the node into maintenance.
pub const NODE_MAINTENANCE: &str = "_node_maintenance";
/// Beginning of the ids of the checks that put a service into maintenance; the service's id follows.
pub const SERVICE_MAINTENANCE_PREFIX: &str = "_service_maintenance:";

impl LocalAgent {
    /// Puts the node into maintenance, or takes it out.
    ///
    /// # Errors
    /// When the change cannot be kept.
    pub async fn set_node_maintenance(&self, enable: bool, reason: &str, token: Token) -> Result<(), LocalError> {
        let id = CheckId::from(NODE_MAINTENANCE);
        if !enable {
            return self.deregister_check(&id).await.map(|_| ());
        }
        let check = self.maintenance_check(id, "Node Maintenance Mode", None, ("node", reason));
        self.add_maintenance(check, token).await
    }

    /// Puts a service into maintenance, or takes it out.
    ///
    /// # Errors
    /// When there is no such service, or the change cannot be kept.
    pub async fn set_service_maintenance(
        &self,
        service: &ServiceId,
        enable: bool,
        reason: &str,
        token: Token,
    ) -> Result<(), LocalError> {
        let known = self.with_registry(|registry| registry.services().get(service).map(|entry| entry.service.clone()));
        let known = known.ok_or_else(|| LocalError::UnknownService(service.clone()))?;
        let id = CheckId::from(format!("{SERVICE_MAINTENANCE_PREFIX}{service}"));
        if !enable {
            return self.deregister_check(&id).await.map(|_| ());
        }
        let check = self.maintenance_check(id, "Service Maintenance Mode", Some(&known), ("service", reason));
        self.add_maintenance(check, token).await
    }

    fn maintenance_check(
        &self,
        check_id: CheckId,
        name: &str,
        service: Option<&NodeService>,
        (what, reason): (&str, &str),
    ) -> HealthCheck {
        let notes = if reason.is_empty() {
            format!(
                "Maintenance mode is enabled for this {what}, but no reason was provided. This is a default message."
            )
        } else {
            reason.to_owned()
        };
        HealthCheck {
            node: self.node().node.clone(),
            check_id,
            name: name.to_owned(),
            status: "critical".to_owned(),
            notes,
            service_id: service.map(|service| service.id.clone()).unwrap_or_default(),
            service_name: service.map(|service| service.service.clone()).unwrap_or_default(),
            service_tags: service.map(|service| service.tags.clone()).unwrap_or_default(),
            kind: "maintenance".to_owned(),
            ..HealthCheck::default()
        }
    }

    async fn add_maintenance(&self, check: HealthCheck, token: Token) -> Result<(), LocalError> {
        let _alone = self.alone().await;
        if self.with_registry(|registry| registry.checks().contains_key(&check.check_id)) {
            return Ok(());
        }
        let kept = KeptCheck { check: check.clone(), spec: None, token: token.clone(), source: Source::Local };
        self.on_disk(move |store| store.put_check(&kept)).await?;
        self.with_registry_mut(|registry| registry.put_fixed_check(check, token, Instant::now()));
        self.notify();
        Ok(())
    }
}
