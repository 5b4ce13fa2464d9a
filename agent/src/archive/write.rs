//! Writing an archive as a stream. The state is written twice, first only to learn its size and sum, because a tar has
//! them in front; a snapshot never changes, so both times it is the same.

use std::io::{self, BufWriter, Write};

use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::tar::{BLOCK, Entry};
use super::{Facts, META, Meta, STATE, SUMS, Servers};

/// Writes the archive of a state. Blocks as long as the output does.
///
/// # Errors
/// When the output fails.
pub fn write(output: impl Write, facts: &Facts, state: &state::Snapshot) -> io::Result<Meta> {
    let mut sum = BufWriter::with_capacity(64 * 1024, Sum(Sha256::new()));
    let size = state.write_to(&mut sum)?;
    let sum = hex(sum.into_inner().map_err(io::IntoInnerError::into_error)?.0);
    let meta = meta(facts, state.index(), size);
    let meta_text = serde_json::to_vec(&meta)?;
    let meta_sum = hex(Sha256::new_with_prefix(&meta_text));
    let sums = format!("{meta_sum}  {META}\n{sum}  {STATE}\n");

    let now = facts.now_ms / 1000;
    let mut out = BufWriter::with_capacity(64 * 1024, GzEncoder::new(output, Compression::default()));
    put(&mut out, META, &meta_text, now)?;
    let entry = Entry { name: STATE.to_owned(), size };
    out.write_all(&entry.header(now))?;
    if state.write_to(&mut out)? != size {
        return Err(io::Error::other("the state came out differently the second time"));
    }
    pad(&mut out, &entry)?;
    put(&mut out, SUMS, sums.as_bytes(), now)?;
    end(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?.flush()?;
    Ok(meta)
}

fn meta(facts: &Facts, index: u64, size: u64) -> Meta {
    let addresses: Vec<&str> = facts.servers.iter().map(|server| server.address.as_str()).collect();
    let peers = crate::rpc::message::encode(&addresses);
    Meta {
        version: 1,
        id: format!("{}-{index}-{}", facts.term, facts.now_ms),
        index,
        term: facts.term,
        peers: base64::engine::general_purpose::STANDARD.encode(peers),
        configuration: Servers { servers: facts.servers.clone() },
        configuration_index: facts.configuration_index,
        size,
    }
}

/// Adds a file to a tar.
///
/// # Errors
/// When the output fails.
pub(crate) fn put(out: &mut impl Write, name: &str, bytes: &[u8], now: u64) -> io::Result<()> {
    let entry = Entry { name: name.to_owned(), size: bytes.len() as u64 };
    out.write_all(&entry.header(now))?;
    out.write_all(bytes)?;
    pad(out, &entry)
}

/// Ends a tar.
///
/// # Errors
/// When the output fails.
pub(crate) fn end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK])
}

fn pad(out: &mut impl Write, entry: &Entry) -> io::Result<()> {
    out.write_all(&[0; BLOCK][..entry.padding() as usize])
}

/// Lower-case hexadecimal digits of a finished sum.
pub(super) fn hex(sum: Sha256) -> String {
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Sum(Sha256);

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
