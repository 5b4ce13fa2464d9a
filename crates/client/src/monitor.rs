//! `/v1/agent/monitor`: the agent's log while it is written.

use std::io;

use bytes::Bytes;
use http_body_util::BodyExt as _;

use crate::error::Error;
use crate::query::Target;
use crate::snapshot::SaveError;
use crate::transport::{Client, Method, Reply};

impl Client {
    /// Follows the agent's log from now on: `take` gets it as it comes. Returns when the agent ends it.
    ///
    /// # Errors
    /// See [`SaveError`].
    pub async fn monitor(
        &self,
        level: &str,
        json: bool,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), SaveError> {
        let target = Target::new("/v1/agent/monitor").optional("loglevel", level);
        let target = if json { target.pair("logjson", "true") } else { target }.text();
        let opened = self.open(Method::Get, &target, crate::transport::whole(Bytes::new())).await;
        let (head, mut body) = opened.map_err(SaveError::Agent)?;
        if head.status != 200 {
            let reply = self.collect_reply(head, body).await.and_then(Reply::ok);
            return Err(SaveError::Agent(reply.err().unwrap_or_else(|| self.cut(Method::Get, &target, "no log"))));
        }
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| SaveError::Agent(self.cut(Method::Get, &target, &error.to_string())))?;
            if let Some(bytes) = frame.data_ref() {
                take(bytes).map_err(SaveError::Local)?;
            }
        }
        Ok(())
    }

    /// The body of a `GET` that must answer 200, whatever it is.
    ///
    /// # Errors
    /// What the agent answered instead.
    pub async fn fetch(&self, path: &str) -> Result<Bytes, Error> {
        Ok(self.send(Method::Get, path, Bytes::new()).await?.ok()?.body)
    }
}
