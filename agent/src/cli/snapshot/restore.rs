//! `consul snapshot restore`.

use std::fs::File;
use std::io::{self, Read as _};

use bytes::Bytes;
use client::os_error_text;

use super::progress::Progress;
use crate::cli::connect::with_agent;
use crate::cli::flags::Parsed;
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// Bytes read and sent at once.
const PIECE_BYTES: usize = 256 * 1024;

/// The row.
pub const COMMAND: Command = Command {
    name: "snapshot restore",
    synopsis: "Restores snapshot of Consul server state",
    usage: "[options] FILE",
    about: "Replaces the whole state of the datacenter by that of FILE, which this program or a Consul 1.8 server has saved.\n\
            A file that is damaged in any way changes nothing.",
    flags: &[],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let path = super::file(parsed)?;
    let opening = |error| Failure::new(format!("Error opening snapshot file: open {path}: {}", os_error_text(&error)));
    let mut file = File::open(path).map_err(opening)?;
    let mut progress = Progress::new("sent", file.metadata().ok().map(|it| it.len()));
    let pieces = std::iter::from_fn(move || {
        let mut bytes = vec![0; PIECE_BYTES];
        let read: io::Result<usize> = file.read(&mut bytes);
        match read {
            Ok(0) => None,
            Ok(count) => {
                progress.add(count);
                bytes.truncate(count);
                Some(Ok(Bytes::from(bytes)))
            }
            Err(error) => Some(Err(error)),
        }
    });
    with_agent(parsed, async |client| {
        let datacenter = parsed.value("datacenter").unwrap_or_default();
        let restored = client.snapshot_restore(datacenter, futures::stream::iter(pieces)).await;
        restored
            .map(|()| Report::line("Restored snapshot"))
            .map_err(|error| Failure::new(format!("Error restoring snapshot: {error}")))
    })
}
