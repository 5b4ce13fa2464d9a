//! Reading an archive from a stream: everything is verified before any of it is given out.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;
use sha2::{Digest, Sha256};

use super::tar::{BLOCK, Entry};
use super::write::hex;
use super::{ArchiveError, META, Meta, SMALL_BYTES_MAX, STATE, SUMS, content};

/// Most bytes between the end of the tar and that of the gzip; writers fill up to a record of 10 KiB.
const PADDING_MAX: u64 = 1024 * 1024;

/// The state that cannot be used is still read to its end, to tell whether its sum is wrong too, unless there is more.
const REST_MAX: u64 = 64 * 1024 * 1024;

/// A whole, verified archive.
pub struct Opened {
    /// What it says about itself.
    pub meta: Meta,
    /// The state.
    pub state: state::Snapshot,
    /// What is in the state.
    pub inventory: state::Inventory,
}

/// Reads and verifies an archive of this program or of a Consul 1.8 server. Blocks as long as the input does.
///
/// # Errors
/// See [`ArchiveError`].
pub fn read(input: impl Read) -> Result<Opened, ArchiveError> {
    let mut state = None;
    let meta = read_with(input, |input| {
        state = Some(state::Snapshot::read(input, read_entry)?);
        Ok(())
    })?;
    let (state, inventory) = state.ok_or_else(|| content(hash_failed(STATE)))?;
    Ok(Opened { meta, state, inventory })
}

/// A config entry of Consul, in our form.
fn read_entry(json: &model::Json) -> Result<model::ConfigEntry, String> {
    config::read_entry(json).map_err(|error| error.to_string())
}

/// Verifies the sums of an archive and gives what it says about itself, whatever its state is like.
///
/// # Errors
/// See [`ArchiveError`].
pub fn read_meta(input: impl Read) -> Result<Meta, ArchiveError> {
    read_with(input, |_| Ok(()))
}

fn hash_failed(name: &str) -> String {
    format!("failed checking integrity of snapshot: hash check failed for {name:?}")
}

fn read_with(
    input: impl Read,
    read_state: impl FnOnce(&mut dyn Read) -> Result<(), state::SnapshotError>,
) -> Result<Meta, ArchiveError> {
    let mut input = BufReader::with_capacity(64 * 1024, input);
    check_gzip(&mut input)?;
    let mut tar = GzDecoder::new(input);
    let mut read_state = Some(read_state);
    let mut state_error = None;
    let (mut meta, mut sums) = (None, None);
    let mut found = BTreeMap::new();
    while let Some(entry) = next_entry(&mut tar)? {
        let mut member = Member { input: (&mut tar).take(entry.size), sum: Sha256::new() };
        match entry.name.as_str() {
            META if meta.is_none() => meta = Some(small(&mut member, entry.size)?),
            SUMS if sums.is_none() => sums = Some(small(&mut member, entry.size)?),
            STATE => match read_state.take() {
                Some(read) => state_error = read(&mut member).err(),
                None => return Err(unexpected(STATE)),
            },
            name => return Err(unexpected(name)),
        }
        if member.input.limit() > REST_MAX
            && let Some(error) = state_error
        {
            return Err(error.into());
        }
        io::copy(&mut member, &mut io::sink()).map_err(broken)?;
        if member.input.limit() > 0 {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
        let sum = hex(member.sum);
        io::copy(&mut (&mut tar).take(entry.padding()), &mut io::sink()).map_err(broken)?;
        found.insert(entry.name, sum);
    }
    check_end(tar)?;
    check_sums(&sums.unwrap_or_default(), &found)?;
    match state_error {
        Some(error) => Err(error.into()),
        None => serde_json::from_slice(&meta.unwrap_or_default())
            .map_err(|error| content(format!("failed to decode snapshot metadata: {error}"))),
    }
}

fn unexpected(name: &str) -> ArchiveError {
    content(format!("unexpected file {name:?} in snapshot"))
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn broken(error: io::Error) -> ArchiveError {
    let cause = match error.kind() {
        io::ErrorKind::UnexpectedEof => "unexpected EOF".to_owned(),
        _ => error.to_string(),
    };
    content(format!("failed to read or write snapshot data: {cause}"))
}

/// Tells what is no gzip at all from what is a damaged one.
fn check_gzip(input: &mut impl BufRead) -> Result<(), ArchiveError> {
    let start = input.fill_buf().map_err(|error| ArchiveError::Gzip(error.to_string()))?;
    match start {
        [] => Err(ArchiveError::Gzip("EOF".to_owned())),
        [0x1f, 0x8b, ..] => Ok(()),
        few if few.len() < 10 => Err(ArchiveError::Gzip("unexpected EOF".to_owned())),
        _ => Err(ArchiveError::Gzip("gzip: invalid header".to_owned())),
    }
}

fn next_entry(tar: &mut impl Read) -> Result<Option<Entry>, ArchiveError> {
    let mut block = [0; BLOCK];
    tar.read_exact(&mut block).map_err(broken)?;
    Entry::read(&block)
}

fn small(member: &mut impl Read, size: u64) -> Result<Vec<u8>, ArchiveError> {
    if size > SMALL_BYTES_MAX {
        return Err(content(format!("{META} or {SUMS} has {size} bytes, more than the limit of {SMALL_BYTES_MAX}")));
    }
    let mut bytes = Vec::new();
    member.read_to_end(&mut bytes).map_err(broken)?;
    Ok(bytes)
}

/// After the tar there are only zeros, then the end of the gzip with its own sum, then nothing.
fn check_end<R: BufRead>(mut tar: GzDecoder<R>) -> Result<(), ArchiveError> {
    let mut rest = (&mut tar).take(PADDING_MAX + 1);
    let mut buffer = [0; 4096];
    let mut total = 0;
    loop {
        let count = rest.read(&mut buffer).map_err(broken)?;
        total += count as u64;
        if count == 0 {
            break;
        }
        if buffer[..count].iter().any(|byte| *byte != 0) || total > PADDING_MAX {
            return Err(content(format!("{total} unread uncompressed bytes remain")));
        }
    }
    match tar.into_inner().fill_buf() {
        Ok([]) => Ok(()),
        Ok(_) => Err(content("there is more after the end of the archive")),
        Err(error) => Err(broken(error)),
    }
}

fn check_sums(sums: &[u8], found: &BTreeMap<String, String>) -> Result<(), ArchiveError> {
    let failed = |why: String| content(format!("failed checking integrity of snapshot: {why}"));
    let text = std::str::from_utf8(sums).map_err(|_| failed(format!("{SUMS} is no text")))?;
    let mut listed = BTreeMap::new();
    for line in text.lines() {
        let (sum, name) = line.split_once("  ").ok_or_else(|| failed(format!("{SUMS} has the line {line:?}")))?;
        if listed.insert(name, sum).is_some() || (name != META && name != STATE) {
            return Err(failed(format!("list has more than one sum, or a file that is not expected: {name:?}")));
        }
    }
    for name in [META, STATE] {
        let Some(sum) = listed.get(name) else { return Err(failed(format!("file missing for {name:?}"))) };
        if found.get(name).is_none_or(|found| !found.eq_ignore_ascii_case(sum)) {
            return Err(content(hash_failed(name)));
        }
    }
    Ok(())
}

/// The content of one file, summed up as it is read.
struct Member<R> {
    input: io::Take<R>,
    sum: Sha256,
}

impl<R: Read> Read for Member<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.sum.update(&buffer[..count]);
        Ok(count)
    }
}
