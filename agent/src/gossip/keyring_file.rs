//! The keys of a pool in a file that Consul's agents can read too: a JSON list of base64, the key that encrypts first.
//! Only the owner may read it.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Bytes read of a file, whatever its size.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Why a keyring file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringFileError {
    /// The system refuses.
    #[error("cannot {verb} the gossip keyring {}: {cause}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// Not a list of keys.
    #[error("the gossip keyring {} is damaged: {cause}; restore it or remove it and give the key with `encrypt`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
}

/// Reads the keys; `None` when there is no file.
pub fn read(path: &Path) -> Result<Option<Vec<Vec<u8>>>, KeyringFileError> {
    let io = |cause| KeyringFileError::Io { verb: "read", path: path.to_owned(), cause };
    let damaged = |cause: String| KeyringFileError::Damaged { path: path.to_owned(), cause };
    let length = match std::fs::metadata(path) {
        Ok(facts) => facts.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    if length > FILE_BYTES_MAX {
        return Err(damaged(format!("it has {length} bytes")));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let texts: Vec<String> = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    let keys: Result<Vec<_>, _> = texts.iter().map(|text| model::decode_base64(text)).collect();
    let keys = keys.map_err(damaged)?;
    if keys.is_empty() { Err(damaged("it has no keys".to_owned())) } else { Ok(Some(keys)) }
}

/// Writes the keys, beside the old file and then in its place.
pub fn write(path: &Path, keys: &[Vec<u8>]) -> Result<(), KeyringFileError> {
    let io = |cause| KeyringFileError::Io { verb: "write", path: path.to_owned(), cause };
    let lines: Vec<String> = keys.iter().map(|key| format!("  \"{}\"", model::encode_base64(key))).collect();
    let text = format!("[\n{}\n]", lines.join(",\n"));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    let fresh = path.with_extension("keyring.new");
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh);
    file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    })
    .and_then(|()| std::fs::rename(&fresh, path))
    .map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_and_only_the_owner_reads_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("serf/local.keyring");
        assert!(read(&path).expect("absent is fine").is_none());
        let keys = vec![vec![1; 16], vec![2; 32]];
        write(&path, &keys).expect("written");
        assert_eq!(read(&path).expect("read"), Some(keys));
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        for (text, part) in [("[]", "no keys"), ("[\"zz\"]", "illegal base64"), ("{", "expected a sequence")] {
            std::fs::write(&path, text).expect("written");
            let error = read(&path).expect_err("damaged").to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
