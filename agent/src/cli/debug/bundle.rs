//! The files of a debug archive: written into a folder as they come, so that nothing is lost, and packed in the end.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flate2::Compression;
use flate2::write::GzEncoder;
use model::format_duration;
use serde_json::{Value, json};

use super::Job;
use crate::archive;
use crate::cli::output::pretty_json;

/// What is in there is for nobody else to read.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Longest name of the folder inside an archive; longer ones are cut.
const NAME_MAX: usize = 50;

/// A debug archive that is being made.
pub(super) struct Bundle {
    folder: PathBuf,
    archive: Option<PathBuf>,
    /// Names below the folder, in the order in which they were written.
    files: Vec<String>,
    index: Value,
    missing: Vec<String>,
}

impl Bundle {
    /// Makes the folder, which must be new, and its index.
    pub(super) fn create(job: &Job, version: &str) -> Result<Self, String> {
        let folder = PathBuf::from(&job.output);
        let archive = job.is_archived.then(|| PathBuf::from(job.product()));
        for taken in [Some(&folder), archive.as_ref()].into_iter().flatten() {
            if taken.exists() {
                return Err(format!("output directory already exists: {}", taken.display()));
            }
        }
        let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&folder);
        made.map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
        let index = json!({
            "Version": 1,
            "AgentVersion": version,
            "Interval": format_duration(job.interval),
            "Duration": format_duration(job.duration),
            "Targets": job.targets,
        });
        Ok(Self { folder, archive, files: Vec::new(), index, missing: Vec::new() })
    }

    /// Writes a file; `name` may have one folder in it.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(parent)?;
        }
        let mut file = File::options().write(true).create_new(true).mode(FILE_MODE).open(path)?;
        file.write_all(bytes)?;
        self.files.push(name.to_owned());
        Ok(())
    }

    /// Writes JSON with its lines indented; what is no JSON as it came.
    pub(super) fn add_json(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => self.add(name, pretty_json(&value, b"\t").as_bytes()),
            Err(_) => self.add(name, bytes),
        }
    }

    /// Notes what could not be had.
    pub(super) fn miss(&mut self, what: &str, why: &dyn std::fmt::Display) {
        let text = format!("{what}: {why}");
        if !self.missing.contains(&text) {
            self.missing.push(text);
        }
    }

    /// Writes the index, packs everything where that is wanted, and removes the folder then.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if !self.missing.is_empty() {
            self.index["Missing"] = json!(self.missing);
        }
        let index = pretty_json(&self.index, b"\t");
        self.add("index.json", index.as_bytes())?;
        let Some(archive) = &self.archive else { return Ok(()) };
        let file = File::options().write(true).create_new(true).mode(FILE_MODE).open(archive)?;
        let mut out = GzEncoder::new(file, Compression::default());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let top = top_name(&self.folder);
        for name in &self.files {
            archive::add_file(&mut out, &format!("{top}/{name}"), &fs::read(self.folder.join(name))?, now)?;
        }
        archive::end(&mut out)?;
        out.finish()?.sync_all()?;
        fs::remove_dir_all(&self.folder)
    }
}

fn top_name(folder: &Path) -> String {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut end = name.len().min(NAME_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}
