//! The two programs under test: ours, and the real Consul 1.8.7 that it is compared with.

use std::path::{Path, PathBuf};

/// A `consul` program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    path: PathBuf,
    /// Whether it is the real Consul.
    pub is_oracle: bool,
}

impl Program {
    /// Ours: `CONCORD_BIN`, else the debug build beside the running test.
    ///
    /// # Panics
    /// When there is no such file; the message says how to build it.
    #[must_use]
    pub fn ours() -> Self {
        let path = std::env::var_os("CONCORD_BIN").map_or_else(beside_the_test, PathBuf::from);
        assert!(path.is_file(), "{} does not exist; run `cargo build --bin consul` or set CONCORD_BIN", path.display());
        Self { path, is_oracle: false }
    }

    /// The real one: `CONCORD_ORACLE`; `None` (with a line that says so) when that is not set.
    ///
    /// # Panics
    /// When it is set to something that is not a file.
    #[must_use]
    pub fn oracle() -> Option<Self> {
        let Some(path) = std::env::var_os("CONCORD_ORACLE").map(PathBuf::from) else {
            println!("skipped: CONCORD_ORACLE is not set, so nothing is compared with the real Consul");
            return None;
        };
        assert!(path.is_file(), "CONCORD_ORACLE is {}, which does not exist", path.display());
        Some(Self { path, is_oracle: true })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// `target/debug/deps/test-123` stands beside `target/debug/consul`.
fn beside_the_test() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    let folder = test.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    folder.join("consul")
}
