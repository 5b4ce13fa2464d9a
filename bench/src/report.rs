//! The table: medians of all rounds, their spread, and the ratio of the two programs.

use crate::program::Side;

/// Collected values by metric, in the order of first mention.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
    syncs: Vec<f64>,
}

struct Row {
    metric: String,
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Report {
    /// Notes the disk's floor of a round.
    pub fn raw_syncs(&mut self, per_second: f64) {
        self.syncs.push(per_second);
    }

    /// Notes one value.
    pub fn add(&mut self, metric: &str, side: Side, value: f64) {
        let at = self.rows.iter().position(|row| row.metric == metric).unwrap_or_else(|| {
            self.rows.push(Row { metric: metric.to_owned(), ours: Vec::new(), theirs: Vec::new() });
            self.rows.len() - 1
        });
        match side {
            Side::Concord => self.rows[at].ours.push(value),
            Side::Consul => self.rows[at].theirs.push(value),
        }
    }

    /// Prints the table in Markdown.
    pub fn print(&self) {
        let (syncs, low, high) = summary(&self.syncs);
        println!("Raw fdatasync of 512 appended bytes in the same run: {syncs:.0}/s [{low:.0}..{high:.0}]\n");
        println!("| metric | Concord | Consul 1.8.7 | ratio |\n|---|---|---|---|");
        for row in &self.rows {
            let ((ours, low, high), (theirs, their_low, their_high)) = (summary(&row.ours), summary(&row.theirs));
            println!(
                "| {} | {ours:.1} [{low:.1}..{high:.1}] | {theirs:.1} [{their_low:.1}..{their_high:.1}] | {:.2} |",
                row.metric,
                ours / theirs
            );
        }
    }
}

/// Median, least and greatest.
fn summary(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.as_slice() {
        [] => (f64::NAN, f64::NAN, f64::NAN),
        all => (all[all.len() / 2], all[0], all[all.len() - 1]),
    }
}
