//! `/v1/agent`: the agent that the client talks to.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::{AgentMember, HealthCheck, Json};

use crate::error::Error;
use crate::query::{QueryOptions, Target};
use crate::transport::{Client, Method, answer};

/// A user event to fire. Empty filters accept all agents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventToFire {
    /// What.
    pub name: String,
    /// Opaque; at most about 400 bytes.
    pub payload: Vec<u8>,
    /// Regular expression for names of nodes.
    pub node: String,
    /// Regular expression for names of services.
    pub service: String,
    /// Regular expression for tags of those services.
    pub tag: String,
}

impl Client {
    /// What the agent says about itself: `Config`, `Member`, `Stats`, ...
    pub async fn agent_self(&self) -> Result<Json, Error> {
        self.agent_json("self").await
    }

    /// Members of the LAN pool, or of the WAN pool.
    pub async fn members(&self, wan: bool) -> Result<Vec<AgentMember>, Error> {
        self.members_in(wan, "_all").await
    }

    /// The same of one network segment; `_all` for all.
    pub async fn members_in(&self, wan: bool, segment: &str) -> Result<Vec<AgentMember>, Error> {
        let to = Target::new("/v1/agent/members").pair("segment", segment);
        let to = if wan { to.pair("wan", "1") } else { to };
        let found: Option<Vec<AgentMember>> = self.get_json(to, &QueryOptions::default()).await?.rows;
        Ok(found.unwrap_or_default())
    }

    /// Lets the agent join a member of a pool.
    pub async fn join(&self, address: &str, wan: bool) -> Result<(), Error> {
        let to = agent("join").below(address.as_bytes());
        self.command(if wan { to.pair("wan", "1") } else { to }).await
    }

    /// Lets the agent leave the cluster and stop.
    pub async fn leave(&self) -> Result<(), Error> {
        self.command(agent("leave")).await
    }

    /// Declares a failed member to have left; `prune` also removes it from the list of members.
    pub async fn force_leave(&self, node: &str, prune: bool) -> Result<(), Error> {
        let to = agent("force-leave").below(node.as_bytes());
        self.command(if prune { to.pair("prune", "1") } else { to }).await
    }

    /// Fires a user event at all agents of a datacenter; returns its id.
    pub async fn fire_event(&self, event: &EventToFire, datacenter: &str) -> Result<String, Error> {
        let to = Target::new("/v1/event/fire").below(event.name.as_bytes()).optional("dc", datacenter);
        let to = to.optional("node", &event.node).optional("service", &event.service).optional("tag", &event.tag);
        let path = to.text();
        let reply = self.send(Method::Put, &path, event.payload.clone()).await?.ok()?;
        let fired: Json = answer(&path, &reply)?.rows;
        Ok(fired["ID"].as_str().unwrap_or_default().to_owned())
    }

    /// Lets the agent read its configuration again.
    pub async fn reload(&self) -> Result<(), Error> {
        self.command(agent("reload")).await
    }

    /// Turns maintenance of the node on or off.
    pub async fn node_maintenance(&self, enable: bool, reason: &str) -> Result<(), Error> {
        self.command(maintenance(agent("maintenance"), enable, reason)).await
    }

    /// Turns maintenance of a service of this agent on or off.
    pub async fn service_maintenance(&self, id: &str, enable: bool, reason: &str) -> Result<(), Error> {
        let to = agent("service/maintenance").below(id.as_bytes());
        self.command(maintenance(to, enable, reason)).await
    }

    /// Services of this agent by id.
    pub async fn agent_services(&self) -> Result<BTreeMap<String, Json>, Error> {
        self.agent_json("services").await
    }

    /// Checks of this agent by id.
    pub async fn agent_checks(&self) -> Result<BTreeMap<String, HealthCheck>, Error> {
        self.agent_json("checks").await
    }

    /// Registers a service, given in the API's JSON.
    pub async fn register_service(&self, definition: &Json) -> Result<(), Error> {
        self.put(&agent("service/register"), definition.to_string()).await.map(drop)
    }

    /// Removes a service.
    pub async fn deregister_service(&self, id: &str) -> Result<(), Error> {
        self.command(agent("service/deregister").below(id.as_bytes())).await
    }

    /// Registers a check, given in the API's JSON.
    pub async fn register_check(&self, definition: &Json) -> Result<(), Error> {
        self.put(&agent("check/register"), definition.to_string()).await.map(drop)
    }

    /// Removes a check.
    pub async fn deregister_check(&self, id: &str) -> Result<(), Error> {
        self.command(agent("check/deregister").below(id.as_bytes())).await
    }

    /// Sets the state of a TTL check: `pass`, `warn` or `fail`, with a note that becomes its output.
    pub async fn update_ttl(&self, id: &str, verb: TtlVerb, note: &str) -> Result<(), Error> {
        let to = agent("check").below(verb.as_str().as_bytes()).below(id.as_bytes());
        self.command(to.optional("note", note)).await
    }

    async fn agent_json<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        Ok(self.get_json(agent(path), &QueryOptions::default()).await?.rows)
    }

    async fn command(&self, to: Target) -> Result<(), Error> {
        self.put(&to, Bytes::new()).await.map(drop)
    }
}

/// What can be said of a TTL check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TtlVerb {
    /// It passes.
    Pass,
    /// It warns.
    Warn,
    /// It is critical.
    Fail,
}

impl TtlVerb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

fn agent(path: &str) -> Target {
    Target::new("/v1/agent").below(path.as_bytes())
}

fn maintenance(to: Target, enable: bool, reason: &str) -> Target {
    to.pair("enable", if enable { "true" } else { "false" }).pair("reason", reason)
}
