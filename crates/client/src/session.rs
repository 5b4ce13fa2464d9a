//! `/v1/session`.

use bytes::Bytes;
use model::{NodeName, Session, SessionBehavior, SessionId};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::query::{Answer, QueryOptions, Target};
use crate::transport::{Client, Method, answer};

/// What a session is to be. The default is bound to the agent's own node, lives for ever and delays locks by 15 seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SessionRequest {
    /// Name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Node that it is bound to; empty means the agent's own.
    #[serde(skip_serializing_if = "is_no_node")]
    pub node: NodeName,
    /// How long it lives without renewal, as a Go duration of 10 s to 24 h; empty for ever.
    #[serde(rename = "TTL", skip_serializing_if = "String::is_empty")]
    pub ttl: String,
    /// For how long its keys cannot be locked after it was invalidated, as a Go duration; empty for 15 seconds.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lock_delay: String,
    /// What happens to its keys when it ends.
    pub behavior: SessionBehavior,
}

fn is_no_node(node: &NodeName) -> bool {
    node.is_empty()
}

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "ID")]
    id: SessionId,
}

impl Client {
    /// Begins a session.
    pub async fn session_create(&self, session: &SessionRequest, datacenter: &str) -> Result<SessionId, Error> {
        let to = target("create").optional("dc", datacenter);
        let body = serde_json::to_vec(session).unwrap_or_default();
        let created: Answer<Created> = answer(&to.text(), &self.put(&to, body).await?)?;
        Ok(created.rows.id)
    }

    /// Ends a session; an unknown one is fine.
    pub async fn session_destroy(&self, id: &SessionId, datacenter: &str) -> Result<(), Error> {
        let to = target("destroy").below(id.as_bytes()).optional("dc", datacenter);
        self.put(&to, Bytes::new()).await.map(drop)
    }

    /// Gives a session its whole TTL again; `None` when there is no such session any more.
    pub async fn session_renew(&self, id: &SessionId, datacenter: &str) -> Result<Option<Session>, Error> {
        let to = target("renew").below(id.as_bytes()).optional("dc", datacenter);
        let reply = self.send(Method::Put, &to.text(), Bytes::new()).await?;
        if reply.status == 404 {
            return Ok(None);
        }
        let renewed: Answer<Vec<Session>> = answer(&to.text(), &reply.ok()?)?;
        Ok(renewed.rows.into_iter().next())
    }

    /// One session; `None` when there is none.
    pub async fn session_info(&self, id: &SessionId, options: &QueryOptions) -> Result<Option<Session>, Error> {
        let found: Answer<Vec<Session>> = self.get_json(target("info").below(id.as_bytes()), options).await?;
        Ok(found.rows.into_iter().next())
    }

    /// All sessions.
    pub async fn session_list(&self, options: &QueryOptions) -> Result<Answer<Vec<Session>>, Error> {
        self.get_json(target("list"), options).await
    }
}

fn target(name: &str) -> Target {
    Target::new(&format!("/v1/session/{name}"))
}
