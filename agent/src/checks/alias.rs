//! Alias checks: as well as the checks of a service and of its node.
//!
//! For this agent's own services the outcome is decided anew on every local change; for another node the servers are
//! asked with blocking queries, at most once a second.

use std::sync::{Arc, Weak};
use std::time::Duration;

use model::{CheckId, HealthCheck, NodeName, ServiceId, Status, Token};
use server::request::{Action, Answer, Body, Query, ReadOptions, Request, RequestError, Response};

use super::Outcome;
use crate::local::limits::{ALIAS_PAUSE_MIN, ALIAS_RETRY};
use crate::local::{Ask, LocalAgent};

/// What an alias check looks at.
#[derive(Clone, Debug)]
pub struct Alias {
    /// Its own id: it does not count itself.
    pub id: CheckId,
    /// Node as given; empty for this one.
    pub node: String,
    /// Service instance; empty for the node itself.
    pub service: ServiceId,
}

impl Alias {
    /// The worst of the aliased checks: those of the service first, then those of the node.
    pub fn evaluate<'a>(&self, service_exists: bool, checks: impl Iterator<Item = &'a HealthCheck> + Clone) -> Outcome {
        if !self.service.is_empty() && !service_exists {
            let output = format!("Service {} could not be found on node {}", self.service, self.node);
            return Outcome { status: Status::Critical, output };
        }
        let others = checks.filter(|check| check.check_id != self.id);
        let of_service = others.clone().filter(|check| !self.service.is_empty() && check.service_id == self.service);
        let of_node = others.filter(|check| check.service_id.is_empty());
        let mut outcome = Outcome { status: Status::Passing, output: "No checks found.".to_owned() };
        for check in of_service.chain(of_node) {
            let status = match check.status.as_str() {
                "critical" => Status::Critical,
                "warning" => Status::Warning,
                _ => Status::Passing,
            };
            if status > outcome.status {
                let output = format!("Aliased check {:?} failing: {}", check.name, check.output);
                outcome = Outcome { status, output };
            } else if outcome.status == Status::Passing {
                "All checks passing.".clone_into(&mut outcome.output);
            }
        }
        outcome
    }

    /// Follows this agent's own registrations until the agent ends.
    pub async fn follow_local(self, local: Weak<LocalAgent>, report: impl Fn(&LocalAgent, &Outcome)) {
        let Some(mut changes) = local.upgrade().map(|local| local.watch()) else { return };
        changes.mark_changed();
        while changes.changed().await.is_ok() {
            let Some(local) = local.upgrade() else { return };
            let outcome = local.with_registry(|registry| {
                let exists = registry.services().contains_key(&self.service);
                self.evaluate(exists, registry.checks().values().map(|entry| &*entry.check))
            });
            report(&local, &outcome);
        }
    }

    /// Follows the checks of another node until the agent ends.
    pub async fn follow_remote(
        self,
        local: Weak<LocalAgent>,
        ask: Ask,
        token: Token,
        report: impl Fn(&LocalAgent, &Outcome),
    ) {
        let node = NodeName::new(&self.node);
        let mut index = 0;
        loop {
            let found = self.look(&ask, &token, &node, index).await;
            let Some(local) = local.upgrade() else { return };
            let pause = match found {
                Ok((outcome, at)) => {
                    report(&local, &outcome);
                    // A smaller index means other servers, or a restored state: begin anew.
                    index = if at < index { 0 } else { at };
                    ALIAS_PAUSE_MIN
                }
                Err(error) => {
                    tracing::warn!(target: "agent::checks", check = %self.id, %error, "cannot ask for the aliased checks");
                    index = 0;
                    ALIAS_RETRY.mul_f64(0.5 + rand::random::<f64>() / 2.0)
                }
            };
            drop(local);
            tokio::time::sleep(pause).await;
        }
    }

    /// Waits for other checks of the node than those at `index`.
    async fn look(
        &self,
        ask: &Ask,
        token: &Token,
        node: &NodeName,
        index: u64,
    ) -> Result<(Outcome, u64), RequestError> {
        let request = |query, min_index, wait: Duration| {
            let options = ReadOptions { min_index, wait_ms: wait.as_millis() as u64, ..ReadOptions::default() };
            Request { datacenter: String::new(), token: token.clone(), action: Action::Read(options, query) }
        };
        let answer = ask(request(Query::NodeChecks { node: node.clone() }, index, ALIAS_RETRY)).await?;
        let (checks, at): (Vec<Arc<HealthCheck>>, u64) = match answer {
            Response::Read(meta, Body::Rows(Answer::Checks(checks))) => (checks, meta.index),
            _ => return Err(unexpected()),
        };
        let has_checks = checks.iter().any(|check| check.service_id == self.service);
        let exists = self.service.is_empty()
            || has_checks
            || match ask(request(Query::NodeServices { node: node.clone() }, 0, Duration::ZERO)).await? {
                Response::Read(_, Body::Rows(Answer::NodeServices(found))) => {
                    found.is_some_and(|node| node.services.contains_key(self.service.as_str()))
                }
                _ => return Err(unexpected()),
            };
        Ok((self.evaluate(exists, checks.iter().map(|check| &**check)), at))
    }
}

fn unexpected() -> RequestError {
    RequestError::new(server::request::ErrorKind::Failed, "the server answered something else than checks")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, service: &str, status: &str) -> HealthCheck {
        let output = format!("output of {id}");
        let status = status.to_owned();
        HealthCheck {
            check_id: id.into(),
            name: id.into(),
            service_id: service.into(),
            status,
            output,
            ..Default::default()
        }
    }

    fn of(service: &str, checks: &[HealthCheck]) -> (Status, String) {
        let alias = Alias { id: "alias".into(), node: String::new(), service: service.into() };
        let outcome = alias.evaluate(service != "gone", checks.iter());
        (outcome.status, outcome.output)
    }

    #[test]
    fn the_worst_check_of_the_service_or_the_node_counts() {
        assert_eq!(of("web", &[]), (Status::Passing, "No checks found.".to_owned()));
        let alien = check("x", "db", "critical");
        assert_eq!(of("web", std::slice::from_ref(&alien)).1, "No checks found.");
        let mut checks = vec![alien, check("a", "web", "passing"), check("alias", "", "critical")];
        assert_eq!(of("web", &checks), (Status::Passing, "All checks passing.".to_owned()));
        checks.push(check("b", "web", "warning"));
        assert_eq!(of("web", &checks), (Status::Warning, r#"Aliased check "b" failing: output of b"#.to_owned()));
        checks.push(check("n", "", "critical"));
        assert_eq!(of("web", &checks), (Status::Critical, r#"Aliased check "n" failing: output of n"#.to_owned()));
        assert_eq!(of("", &checks).0, Status::Critical);
        assert_eq!(of("gone", &[]), (Status::Critical, "Service gone could not be found on node ".to_owned()));
    }
}
