//! `/v1/snapshot`: archives, which may be large, streamed in both directions.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;

use crate::error::Error;
use crate::query::{QueryOptions, Target};
use crate::transport::{Client, Method, Reply};

/// How long nothing may come of an archive.
const PAUSE_MAX: Duration = Duration::from_secs(120);

/// What came of saving.
#[derive(Debug)]
pub enum SaveError {
    /// The agent did not give an archive, or not all of it.
    Agent(Error),
    /// What was to take the bytes failed.
    Local(io::Error),
}

impl Client {
    /// Saves the whole state: `take` gets the bytes of the archive as they come. Returns the index of the state.
    ///
    /// # Errors
    /// See [`SaveError`].
    pub async fn snapshot_save(
        &self,
        options: &QueryOptions,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<u64, SaveError> {
        let target = options.apply(Target::new("/v1/snapshot")).text();
        let stream = self.open(Method::Get, &target, crate::transport::whole(Bytes::new())).await;
        let (head, mut body) = stream.map_err(SaveError::Agent)?;
        if head.status != 200 {
            let reply = self.collect_reply(head, body).await.and_then(Reply::ok);
            return Err(SaveError::Agent(reply.err().unwrap_or_else(|| self.cut(Method::Get, &target, "no archive"))));
        }
        loop {
            match tokio::time::timeout(PAUSE_MAX, body.frame()).await {
                Err(_) => return Err(SaveError::Agent(self.cut(Method::Get, &target, "nothing came for two minutes"))),
                Ok(None) => break,
                Ok(Some(Err(error))) => {
                    return Err(SaveError::Agent(self.cut(Method::Get, &target, &error.to_string())));
                }
                Ok(Some(Ok(frame))) => {
                    if let Some(bytes) = frame.data_ref() {
                        take(bytes).map_err(SaveError::Local)?;
                    }
                }
            }
        }
        Ok(head.header("x-consul-index").parse().unwrap_or_default())
    }

    /// Replaces the whole state by that of an archive.
    ///
    /// # Errors
    /// What the agent answered; the state is then what it was.
    pub async fn snapshot_restore(
        &self,
        datacenter: &str,
        archive: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), Error> {
        let target = Target::new("/v1/snapshot").optional("dc", datacenter).text();
        let frames = futures::StreamExt::map(archive, |bytes| bytes.map(Frame::data));
        let body = StreamBody::new(frames).boxed_unsync();
        let (head, body) = self.open(Method::Put, &target, body).await?;
        self.collect_reply(head, body).await?.ok().map(drop)
    }
}
