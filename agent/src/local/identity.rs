//! The identity of this agent: a UUID made once and kept in the file `node-id` of the data directory.

use std::io;
use std::path::{Path, PathBuf};

use model::NodeId;
use uuid::Uuid;

use super::store::{StoreError, write_durably};

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file has something else in it.
    #[error(
        "{path:?} holds {content:?}, which is not a UUID; write the node's UUID into it, or remove it for a new one"
    )]
    NotUuid {
        /// The file.
        path: PathBuf,
        /// Its beginning.
        content: String,
    },
    /// The configured identity is none.
    #[error("node_id {0:?} is not a UUID; give 36 characters such as 5ca1ab1e-0000-4000-8000-000000000001")]
    ConfiguredNotUuid(String),
    /// The file cannot be read.
    #[error("failed to read {path:?}: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Unwritable(#[from] StoreError),
}

/// The identity to use: the configured one, else the kept one, else a new one. It is kept if there is a data directory.
///
/// # Errors
/// When the configured or kept one is no UUID, or the file cannot be read or written.
pub fn load_node_id(data_dir: Option<&Path>, configured: Option<&str>) -> Result<NodeId, IdentityError> {
    let configured = match configured {
        Some(text) => Some(Uuid::try_parse(text).map_err(|_| IdentityError::ConfiguredNotUuid(text.to_owned()))?),
        None => None,
    };
    let Some(data_dir) = data_dir else {
        return Ok(node_id(configured.unwrap_or_else(Uuid::new_v4)));
    };
    let path = data_dir.join("node-id");
    let kept = match configured {
        Some(_) => None,
        None => read_kept(&path)?,
    };
    if let Some(kept) = kept {
        return Ok(node_id(kept));
    }
    let id = node_id(configured.unwrap_or_else(Uuid::new_v4));
    write_durably(&path, id.as_bytes())?;
    Ok(id)
}

fn node_id(uuid: Uuid) -> NodeId {
    NodeId::from(uuid.hyphenated().to_string())
}

fn read_kept(path: &Path) -> Result<Option<Uuid>, IdentityError> {
    let content = match std::fs::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(IdentityError::Unreadable { path: path.to_owned(), cause }),
    };
    let text = String::from_utf8_lossy(&content);
    match Uuid::try_parse(text.trim()) {
        Ok(uuid) => Ok(Some(uuid)),
        Err(_) => Err(IdentityError::NotUuid { path: path.to_owned(), content: text.chars().take(64).collect() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_stays() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = load_node_id(Some(folder.path()), None).expect("a new one");
        assert_eq!(load_node_id(Some(folder.path()), None).expect("the kept one"), first);
        let given = "5ca1ab1e-0000-4000-8000-000000000001";
        assert_eq!(&*load_node_id(Some(folder.path()), Some(given)).expect("the given one"), given);
        assert_eq!(&*load_node_id(Some(folder.path()), None).expect("now kept"), given);
    }

    #[test]
    fn a_spoilt_file_is_named_and_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("node-id"), "nonsense").expect("written");
        let error = load_node_id(Some(folder.path()), None).expect_err("not a UUID").to_string();
        assert!(error.contains("node-id") && error.contains("nonsense"), "{error}");
        assert_eq!(std::fs::read(folder.path().join("node-id")).expect("still there"), b"nonsense");
    }

    #[test]
    fn without_a_data_directory_it_is_new_each_time() {
        let (one, other) = (load_node_id(None, None), load_node_id(None, None));
        assert_ne!(one.expect("new"), other.expect("new"));
    }
}
