//! `/v1/coordinate`.

use model::NodeCoordinate;

use crate::error::Error;
use crate::query::{Answer, QueryOptions, Target};
use crate::transport::Client;

impl Client {
    /// Network coordinates of all nodes that have told theirs.
    pub async fn coordinates(&self, options: &QueryOptions) -> Result<Answer<Vec<NodeCoordinate>>, Error> {
        let found: Answer<Option<Vec<NodeCoordinate>>> =
            self.get_json(Target::new("/v1/coordinate/nodes"), options).await?;
        Ok(found.or_empty())
    }
}
