//! Network coordinates, which come in lists.

use std::io;
use std::sync::Arc;

use model::NodeCoordinate;

use super::value::Value;
use crate::tables::Draft;

pub(super) fn batch(draft: &mut Draft, record: &Value) -> io::Result<()> {
    for coordinate in record.parse::<Vec<NodeCoordinate>>()? {
        draft.place_coordinate(Arc::new(coordinate));
    }
    Ok(())
}
