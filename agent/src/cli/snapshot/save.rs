//! `consul snapshot save`.

use std::fs::{self, File};
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};

use client::{Client, QueryOptions, SaveError, os_error_text};

use super::progress::Progress;
use crate::archive;
use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// The row.
pub const COMMAND: Command = Command {
    name: "snapshot save",
    synopsis: "Saves snapshot of Consul server state",
    usage: "[options] FILE",
    about: "Saves the whole state to FILE, which appears only when it is complete and verified. With -stale any server may\n\
            make it, also when there is no leader.",
    flags: &[Flag::new(
        "append-filename",
        Takes::Text("string"),
        "What to add to the name of the file, separated by commas: version, dc, node, status.",
    )],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let file = super::file(parsed)?;
    let wanted = parsed.text("append-filename").unwrap_or_default();
    with_agent(parsed, async |client| {
        let path = named(&client, Path::new(file), wanted).await?;
        let index = save(&client, &query_options(parsed), &path).await.map_err(Failure::new)?;
        Ok(Report::line(format!("Saved and verified snapshot to index {index}")))
    })
}

/// The path with what `-append-filename` asks for, before its extension.
async fn named(client: &Client, path: &Path, wanted: &str) -> Result<PathBuf, Failure> {
    if wanted.is_empty() {
        return Ok(path.to_owned());
    }
    let about =
        client.agent_self().await.map_err(|error| Failure::new(format!("Error querying Consul agent: {error}")))?;
    let config = &about["Config"];
    let mut name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    for part in wanted.split(',') {
        let value = match part.trim() {
            "version" => config["Version"].as_str().unwrap_or_default(),
            "dc" => config["Datacenter"].as_str().unwrap_or_default(),
            "node" => config["NodeName"].as_str().unwrap_or_default(),
            "status" if about["Stats"]["consul"]["leader"] == "true" => "leader",
            "status" => "follower",
            other => {
                return Err(Failure::new(format!("-append-filename: {other:?} is none of version, dc, node, status")));
            }
        };
        name.push('-');
        name.push_str(value);
    }
    if let Some(extension) = path.extension() {
        name.push('.');
        name.push_str(&extension.to_string_lossy());
    }
    Ok(path.with_file_name(name))
}

/// Saves the state to a file, which is there only when it is complete and verified; returns its index. The text of an
/// error is for people.
pub async fn save(client: &Client, options: &QueryOptions, path: &Path) -> Result<u64, String> {
    let unverified = path.with_file_name(format!(
        "{}.unverified.tmp{:08x}",
        path.file_name().unwrap_or_default().to_string_lossy(),
        rand::random::<u32>()
    ));
    let unverified = Unverified(unverified);
    save_to(client, options, &unverified.0, path).await
}

/// A file that is gone in the end, unless it has got its name: also when saving is given up in the middle.
struct Unverified(PathBuf);

impl Drop for Unverified {
    fn drop(&mut self) {
        // It may never have been made, or have got its name.
        let _ = fs::remove_file(&self.0);
    }
}

async fn save_to(client: &Client, options: &QueryOptions, unverified: &Path, path: &Path) -> Result<u64, String> {
    let writing = |error: &std::io::Error| {
        format!("Error writing unverified snapshot file: open {}: {}", unverified.display(), os_error_text(error))
    };
    let mut file = File::create_new(unverified).map_err(|error| writing(&error))?;
    let mut progress = Progress::new("saved", None);
    let saved = client.snapshot_save(options, |bytes| {
        progress.add(bytes.len());
        file.write_all(bytes)
    });
    let index = saved.await.map_err(|error| match error {
        SaveError::Agent(error) => format!("Error saving snapshot: {error}"),
        SaveError::Local(error) => format!("Error writing unverified snapshot file: {}", os_error_text(&error)),
    })?;
    file.sync_all().map_err(|error| writing(&error))?;
    let written = File::open(unverified).map_err(|error| writing(&error))?;
    archive::read_meta(BufReader::new(written)).map_err(|error| format!("Error verifying snapshot file: {error}"))?;
    let renaming = |error: std::io::Error| format!("Error renaming snapshot file: {}", os_error_text(&error));
    fs::rename(unverified, path).map_err(renaming)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(renaming)?;
    Ok(index)
}
