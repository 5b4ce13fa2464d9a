//! Reading any list of the API as JSON, for what does not know its shape: watches.

use model::Json;

use crate::error::Error;
use crate::query::{Answer, QueryOptions, Target};
use crate::transport::{Client, answer};

/// Status of an answer to a question for something that is not there.
const NOT_FOUND: u16 = 404;

impl Client {
    /// Reads `path`, with `name` below it unless that is empty; `None` where there is nothing of that name.
    pub async fn read(
        &self,
        path: &str,
        name: &str,
        pairs: &[(&str, &str)],
        options: &QueryOptions,
    ) -> Result<Answer<Option<Json>>, Error> {
        let target = Target::new(path);
        let target = if name.is_empty() { target } else { target.below(name.as_bytes()) };
        let target = pairs.iter().fold(target, |target, (key, value)| target.pair(key, value));
        let shown = target.text();
        let mut reply = self.get(target, options).await?;
        if reply.status == NOT_FOUND {
            reply.body = bytes::Bytes::from_static(b"null");
        } else {
            reply = reply.ok()?;
        }
        let found: Answer<Option<Json>> = answer(&shown, &reply)?;
        Ok(found)
    }
}
