//! `/v1/acl`: objects as JSON, because most that is done with them is to show them.

use bytes::Bytes;
use model::Json;

use crate::error::Error;
use crate::query::{QueryOptions, Target};
use crate::transport::{Client, Method};

fn target(below: &[&str]) -> Target {
    below.iter().fold(Target::new("/v1/acl"), |target, part| target.below(part.as_bytes()))
}

impl Client {
    /// An object or a list below `/v1/acl`.
    pub async fn acl_read(
        &self,
        below: &[&str],
        pairs: &[(&str, &str)],
        options: &QueryOptions,
    ) -> Result<Json, Error> {
        let target = pairs.iter().fold(target(below), |target, (key, value)| target.pair(key, value));
        Ok(self.get_json(target, options).await?.rows)
    }

    /// Makes or replaces an object; the object as it is then.
    pub async fn acl_put(&self, below: &[&str], body: &Json, datacenter: &str) -> Result<Json, Error> {
        let to = target(below).optional("dc", datacenter);
        let reply = self.put(&to, body.to_string()).await?;
        serde_json::from_slice(&reply.body).map_err(|error| Error::Decode { url: to.text(), cause: error.to_string() })
    }

    /// Logs in, or asks where to: what is below `/v1/acl` and answers to a `POST` with JSON.
    pub async fn acl_post(&self, below: &[&str], body: &Json, datacenter: &str) -> Result<Json, Error> {
        let to = target(below).optional("dc", datacenter);
        let reply = self.send(Method::Post, &to.text(), body.to_string()).await?.ok()?;
        serde_json::from_slice(&reply.body).map_err(|error| Error::Decode { url: to.text(), cause: error.to_string() })
    }

    /// Deletes an object.
    pub async fn acl_delete(&self, below: &[&str], datacenter: &str) -> Result<(), Error> {
        let to = target(below).optional("dc", datacenter);
        self.send(Method::Delete, &to.text(), Bytes::new()).await?.ok().map(drop)
    }

    /// Old rules in the new language.
    pub async fn acl_translate(&self, rules: &str) -> Result<String, Error> {
        let to = target(&["rules", "translate"]);
        Ok(self.send(Method::Post, &to.text(), rules.to_owned()).await?.ok()?.text())
    }

    /// Sets a token of the agent.
    pub async fn set_agent_token(&self, kind: &str, token: &str) -> Result<(), Error> {
        let to = Target::new("/v1/agent/token").below(kind.as_bytes());
        self.put(&to, serde_json::json!({"Token": token}).to_string()).await.map(drop)
    }
}
