//! `/v1/coordinate`.

use model::{DatacenterCoordinates, NodeCoordinate};

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

    /// The servers of all datacenters with their coordinates.
    pub async fn datacenter_coordinates(&self) -> Result<Vec<DatacenterCoordinates>, Error> {
        let to = Target::new("/v1/coordinate/datacenters");
        let found: Answer<Option<Vec<DatacenterCoordinates>>> = self.get_json(to, &QueryOptions::default()).await?;
        Ok(found.or_empty().rows)
    }
}
