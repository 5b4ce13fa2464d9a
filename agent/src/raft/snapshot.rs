//! Snapshots on disk (or, for `-dev`, in memory): one current file, replaced only by a complete newer one.
//!
//! File: magic 8, length of the meta u32, checksum of the meta u32, meta (MessagePack), then the state as the store
//! writes it, which ends with its own checksum. What is sent to followers is this file, byte for byte.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::types::SnapshotMeta;
use crate::rpc::message;

const MAGIC: [u8; 8] = *b"CNRDSNP1";

/// Largest meta that is believed, bytes.
const META_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where the bytes of a snapshot are. Cloning shares them; a file stays readable after it was replaced.
#[derive(Clone, Debug)]
pub enum SnapshotData {
    /// In a file.
    File {
        /// The file.
        file: Arc<File>,
        /// Its name while it is not yet the current one.
        temporary: Option<PathBuf>,
    },
    /// In memory.
    Memory(Bytes),
}

impl SnapshotData {
    /// Bytes in all.
    ///
    /// # Errors
    /// When the file cannot be examined.
    pub fn length(&self) -> io::Result<u64> {
        match self {
            Self::File { file, .. } => Ok(file.metadata()?.len()),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Reads at most `length` bytes at a place.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        match self {
            Self::File { file, .. } => {
                let mut bytes = vec![0; length];
                let count = file.read_at(&mut bytes, offset)?;
                bytes.truncate(count);
                Ok(bytes.into())
            }
            Self::Memory(bytes) => {
                let start = (offset as usize).min(bytes.len());
                Ok(bytes.slice(start..(start + length).min(bytes.len())))
            }
        }
    }

    /// Reads the meta and leaves a reader at the state.
    ///
    /// # Errors
    /// When the bytes are no snapshot of ours.
    pub fn open(&self) -> io::Result<(SnapshotMeta, impl Read + Send + 'static)> {
        let mut reader = io::BufReader::with_capacity(256 * 1024, Cursor { data: self.clone(), offset: 0 });
        let mut head = [0; 16];
        reader.read_exact(&mut head)?;
        let (length, checksum) = (u32_at(&head, 8) as usize, u32_at(&head, 12));
        if head[..8] != MAGIC || length > META_BYTES_MAX {
            return Err(invalid("it is not a snapshot of Concord"));
        }
        let mut meta = vec![0; length];
        reader.read_exact(&mut meta)?;
        if crc32fast::hash(&meta) != checksum {
            return Err(invalid("the checksum of its head does not match"));
        }
        let meta = message::decode(&meta).map_err(|error| invalid(&error.to_string()))?;
        Ok((meta, reader))
    }
}

fn u32_at(bytes: &[u8; 16], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn invalid(cause: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("unreadable snapshot: {cause}"))
}

struct Cursor {
    data: SnapshotData,
    offset: u64,
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.data.read_at(self.offset, buffer.len())?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }
}

/// The current snapshot of a server. Cloning shares it.
#[derive(Clone)]
pub struct SnapshotStore {
    folder: Option<PathBuf>,
    current: Arc<Mutex<Option<(SnapshotMeta, SnapshotData)>>>,
}

impl SnapshotStore {
    /// The snapshots of a folder, made when it is missing; `None` keeps them in memory.
    ///
    /// # Errors
    /// When the folder cannot be used or its snapshot cannot be read.
    pub fn open(folder: Option<PathBuf>) -> io::Result<Self> {
        let mut current = None;
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder)?;
            remove_leftovers(folder)?;
            let path = folder.join(CURRENT);
            match File::open(&path) {
                Ok(file) => {
                    let data = SnapshotData::File { file: Arc::new(file), temporary: None };
                    let (meta, _) = data.open().map_err(|error| naming(&path, &error))?;
                    current = Some((meta, data));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(naming(&path, &error)),
            }
        }
        Ok(Self { folder, current: Arc::new(Mutex::new(current)) })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(SnapshotMeta, SnapshotData)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current snapshot.
    #[must_use]
    pub fn current(&self) -> Option<(SnapshotMeta, SnapshotData)> {
        self.lock().clone()
    }

    /// Writes a state with its meta and makes it the current snapshot, unless a newer one came meanwhile; returns the one
    /// that is current then. Blocks.
    ///
    /// # Errors
    /// When writing fails; the current snapshot is then what it was.
    pub fn build(&self, meta: &SnapshotMeta, state: &state::Snapshot) -> io::Result<(SnapshotMeta, SnapshotData)> {
        let data = match &self.folder {
            None => {
                let mut bytes = Vec::new();
                write(&mut bytes, meta, state)?;
                SnapshotData::Memory(bytes.into())
            }
            Some(folder) => {
                let path = folder.join(format!("building-{:08x}.tmp", rand::random::<u32>()));
                let file = File::options().read(true).write(true).create_new(true).open(&path)?;
                let mut writer = BufWriter::with_capacity(256 * 1024, &file);
                write(&mut writer, meta, state)?;
                writer.flush()?;
                drop(writer);
                file.sync_all()?;
                SnapshotData::File { file: Arc::new(file), temporary: Some(path) }
            }
        };
        self.adopt(meta, data)
    }

    /// Makes verified data the current snapshot, unless that is newer.
    ///
    /// # Errors
    /// When the file cannot take its place.
    pub fn adopt(&self, meta: &SnapshotMeta, data: SnapshotData) -> io::Result<(SnapshotMeta, SnapshotData)> {
        let mut current = self.lock();
        let is_older = current.as_ref().is_some_and(|(other, _)| other.last_log_id > meta.last_log_id);
        let data = match (data, &self.folder) {
            (SnapshotData::File { file, temporary: Some(path) }, Some(folder)) => {
                if is_older {
                    std::fs::remove_file(&path)?;
                } else {
                    std::fs::rename(&path, folder.join(CURRENT))?;
                    File::open(folder)?.sync_all()?;
                }
                SnapshotData::File { file, temporary: None }
            }
            (data, _) => data,
        };
        if !is_older {
            *current = Some((meta.clone(), data));
        }
        current.clone().ok_or_else(|| invalid("there is none"))
    }

    /// Begins to receive a snapshot.
    ///
    /// # Errors
    /// When its file cannot be made.
    pub fn receive(&self) -> io::Result<Receiving> {
        let target = match &self.folder {
            None => Target::Memory(Vec::new()),
            Some(folder) => {
                let path = folder.join(format!("receiving-{:08x}.tmp", rand::random::<u32>()));
                Target::File(File::options().read(true).write(true).create_new(true).open(&path)?, path)
            }
        };
        Ok(Receiving { target, length: 0 })
    }
}

const CURRENT: &str = "current.snap";

enum Target {
    Memory(Vec<u8>),
    File(File, PathBuf),
}

/// A snapshot that is coming in. Dropping it takes its file away.
pub struct Receiving {
    target: Target,
    length: u64,
}

impl Receiving {
    /// Bytes that have come.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.target {
            Target::Memory(memory) => memory.extend_from_slice(bytes),
            Target::File(file, _) => file.write_all_at(bytes, self.length)?,
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Makes it durable and gives it out.
    ///
    /// # Errors
    /// When syncing fails.
    pub fn finish(mut self) -> io::Result<SnapshotData> {
        match std::mem::replace(&mut self.target, Target::Memory(Vec::new())) {
            Target::Memory(bytes) => Ok(SnapshotData::Memory(bytes.into())),
            Target::File(file, path) => {
                file.sync_all()?;
                Ok(SnapshotData::File { file: Arc::new(file), temporary: Some(path) })
            }
        }
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if let Target::File(_, path) = &self.target {
            // The next start removes what is left.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn write(output: &mut impl Write, meta: &SnapshotMeta, state: &state::Snapshot) -> io::Result<()> {
    let meta = message::encode(meta);
    output.write_all(&MAGIC)?;
    output.write_all(&(meta.len() as u32).to_le_bytes())?;
    output.write_all(&crc32fast::hash(&meta).to_le_bytes())?;
    output.write_all(&meta)?;
    state.write_to(output)?;
    Ok(())
}

fn remove_leftovers(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "tmp") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
