//! `/v1/health`.

use model::{CheckServiceNode, HealthCheck};

use crate::error::Error;
use crate::query::{Answer, QueryOptions, Target};
use crate::transport::Client;

impl Client {
    /// Instances of a service with their checks; `passing` leaves out those with any check that does not pass.
    pub async fn health_service(
        &self,
        name: &str,
        tag: Option<&str>,
        passing: bool,
        options: &QueryOptions,
    ) -> Result<Answer<Vec<CheckServiceNode>>, Error> {
        let mut to = Target::new("/v1/health/service").below(name.as_bytes()).optional("tag", tag.unwrap_or_default());
        if passing {
            to = to.key("passing");
        }
        let found: Answer<Option<Vec<CheckServiceNode>>> = self.get_json(to, options).await?;
        Ok(found.or_empty())
    }

    /// Checks of a node and its services.
    pub async fn health_node(&self, node: &str, options: &QueryOptions) -> Result<Answer<Vec<HealthCheck>>, Error> {
        self.checks_at(Target::new("/v1/health/node").below(node.as_bytes()), options).await
    }

    /// Checks of all instances of a service.
    pub async fn health_checks(
        &self,
        service: &str,
        options: &QueryOptions,
    ) -> Result<Answer<Vec<HealthCheck>>, Error> {
        self.checks_at(Target::new("/v1/health/checks").below(service.as_bytes()), options).await
    }

    /// Checks in a state: `passing`, `warning`, `critical` or `any`.
    pub async fn health_state(&self, state: &str, options: &QueryOptions) -> Result<Answer<Vec<HealthCheck>>, Error> {
        self.checks_at(Target::new("/v1/health/state").below(state.as_bytes()), options).await
    }

    async fn checks_at(&self, to: Target, options: &QueryOptions) -> Result<Answer<Vec<HealthCheck>>, Error> {
        let found: Answer<Option<Vec<HealthCheck>>> = self.get_json(to, options).await?;
        Ok(found.or_empty())
    }
}
