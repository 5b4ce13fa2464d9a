//! `/v1/config`, `/v1/connect` and whatever else answers with documents that are only shown: as JSON.

use bytes::Bytes;
use model::Json;

use crate::error::Error;
use crate::query::{QueryOptions, Target};
use crate::transport::{Client, Method};

fn target(below: &[&str], pairs: &[(&str, &str)]) -> Target {
    let target = below.iter().fold(Target::new("/v1"), |target, part| target.below(part.as_bytes()));
    pairs.iter().fold(target, |target, (key, value)| target.pair(key, value))
}

impl Client {
    /// A document below `/v1`.
    pub async fn document(
        &self,
        below: &[&str],
        pairs: &[(&str, &str)],
        options: &QueryOptions,
    ) -> Result<Json, Error> {
        Ok(self.get_json(target(below, pairs), options).await?.rows)
    }

    /// Writes a document below `/v1`; what is answered, `null` for nothing.
    pub async fn write_document(
        &self,
        method: Method,
        below: &[&str],
        pairs: &[(&str, &str)],
        body: &Json,
    ) -> Result<Json, Error> {
        let path = target(below, pairs).text();
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let reply = self.send(method, &path, body).await?.ok()?;
        if reply.body.is_empty() {
            return Ok(Json::Null);
        }
        serde_json::from_slice(&reply.body).map_err(|error| Error::Decode { url: path, cause: error.to_string() })
    }
}
