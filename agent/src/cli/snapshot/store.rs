//! Where the snapshots of `consul snapshot agent` are kept: a folder, or a bucket. Their names tell their age; what has
//! other names is not ours and is left alone.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use client::{Client, QueryOptions};

use super::s3::Bucket;
use super::save::save;

/// Names of our files: this, a time in milliseconds that sorts as text, and the ending.
const PREFIX: &str = "consul-";
const SUFFIX: &str = ".snap";

/// A place for snapshots.
pub enum Store {
    /// A directory.
    Folder(PathBuf),
    /// A bucket of S3; snapshots are made and verified in a directory before they go there.
    Bucket(Box<Bucket>, PathBuf),
}

impl Store {
    /// Saves one snapshot and removes the oldest beyond `retain` (0 keeps all); returns its name.
    pub async fn save(&self, client: &Client, options: &QueryOptions, retain: usize) -> Result<String, String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = format!("{PREFIX}{:015}{SUFFIX}", now.as_millis());
        match self {
            Self::Folder(folder) => {
                save(client, options, &folder.join(&name)).await?;
            }
            Self::Bucket(bucket, scratch) => {
                let file = Scratch(scratch.join(format!("{name}.{:08x}", rand::random::<u32>())));
                save(client, options, &file.0).await?;
                bucket.put(&name, &file.0).await?;
            }
        }
        for old in too_old(self.list().await?, retain) {
            self.remove(&old).await.map_err(|error| format!("Cannot remove {old}: {error}"))?;
        }
        Ok(match self {
            Self::Folder(_) => name,
            Self::Bucket(bucket, _) => format!("{}{name}", bucket.shown()),
        })
    }

    async fn list(&self) -> Result<Vec<String>, String> {
        match self {
            Self::Folder(folder) => list_folder(folder),
            Self::Bucket(bucket, _) => bucket.list().await,
        }
    }

    async fn remove(&self, name: &str) -> Result<(), String> {
        match self {
            Self::Folder(folder) => std::fs::remove_file(folder.join(name)).map_err(|error| error.to_string()),
            Self::Bucket(bucket, _) => bucket.remove(name).await,
        }
    }
}

/// A file that is gone when it is not needed any more.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Of the names, those of our snapshots that are beyond what is kept.
fn too_old(names: Vec<String>, retain: usize) -> Vec<String> {
    let mut ours: Vec<String> = names.into_iter().filter(|name| is_ours(name)).collect();
    ours.sort_unstable();
    let kept = if retain == 0 { ours.len() } else { retain.min(ours.len()) };
    ours.truncate(ours.len() - kept);
    ours
}

fn is_ours(name: &str) -> bool {
    let time = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    time.is_some_and(|time| time.len() == 15 && time.bytes().all(|byte| byte.is_ascii_digit()))
}

fn list_folder(folder: &Path) -> Result<Vec<String>, String> {
    let failed = |error: std::io::Error| format!("Cannot list {}: {error}", folder.display());
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_ours_go() {
        let name = |number: u64| format!("consul-{number:015}.snap");
        let names = vec![name(3), "mine.snap".to_owned(), name(1), "consul-1.snap".to_owned(), name(2)];
        assert_eq!(too_old(names.clone(), 2), [name(1)]);
        assert!(too_old(names, 0).is_empty());
    }
}
