//! The measured numbers: ours beside those of the real Consul, as one table at the end.

use std::cell::RefCell;
use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// One row: what was measured, ours, the real Consul's.
type Row = (String, Option<String>, Option<String>);

/// Collects numbers in the order of their first mention.
pub struct Figures {
    rows: RefCell<Vec<Row>>,
    file: Option<PathBuf>,
}

impl Figures {
    /// An empty table that is also written to a file, if one is named.
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { rows: RefCell::new(Vec::new()), file }
    }

    /// Notes our number.
    pub fn ours(&self, what: &str, value: impl Into<String>) {
        self.row(what, |row| row.1 = Some(value.into()));
    }

    /// Notes the real Consul's number.
    pub fn consul(&self, what: &str, value: impl Into<String>) {
        self.row(what, |row| row.2 = Some(value.into()));
    }

    fn row(&self, what: &str, set: impl FnOnce(&mut Row)) {
        let mut rows = self.rows.borrow_mut();
        let index = rows.iter().position(|row| row.0 == what).unwrap_or_else(|| {
            rows.push((what.to_owned(), None, None));
            rows.len() - 1
        });
        set(&mut rows[index]);
    }

    /// Prints the table, and writes it to the file.
    pub fn print(&self) -> Result<()> {
        let mut table = format!("  {:<52}{:>16}{:>20}\n", "on this Kubernetes", "Concord", "Consul 1.8.7");
        for (what, ours, consul) in self.rows.borrow().iter() {
            let cell = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            writeln!(table, "  {what:<52}{:>16}{:>20}", cell(ours), cell(consul))?;
        }
        print!("\n{table}\n");
        if let Some(file) = &self.file {
            std::fs::write(file, &table).with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(())
    }
}
