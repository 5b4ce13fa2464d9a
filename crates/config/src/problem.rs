//! What is wrong with a configuration: all of it at once, each with its place.

use std::fmt;
use std::sync::Arc;

/// Where a value was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// File name, or `flag -x`; empty for the defaults.
    pub source: Arc<str>,
    /// Line in the file, where known.
    pub line: Option<usize>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} line {line}", self.source),
            None => f.write_str(&self.source),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written.
    pub origin: Origin,
    /// What is wrong and, where it helps, what to do.
    pub text: String,
    /// Whether the file itself cannot be read, as opposed to values that do not fit.
    pub in_parsing: bool,
}

/// All that is wrong; never empty. `Display` is what the user sees.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blocks = Vec::new();
        let mut values: Vec<&Problem> = Vec::new();
        let mut index = 0;
        while let Some(problem) = self.0.get(index) {
            if !problem.in_parsing {
                values.push(problem);
                index += 1;
                continue;
            }
            let file: Vec<&Problem> = self.0[index..]
                .iter()
                .take_while(|p| p.in_parsing && p.origin.source == problem.origin.source)
                .collect();
            index += file.len();
            blocks.push(format!(
                "failed to parse {}: {}",
                problem.origin.source,
                list(&file, |p| match p.origin.line {
                    Some(line) => format!("{} (line {line})", p.text),
                    None => p.text.clone(),
                })
            ));
        }
        if !values.is_empty() {
            blocks.push(list(&values, |p| match p.origin.source.is_empty() {
                true => p.text.clone(),
                false => format!("{} ({})", p.text, p.origin),
            }));
        }
        f.write_str(&blocks.join("\n"))
    }
}

fn list(problems: &[&Problem], show: impl Fn(&Problem) -> String) -> String {
    match problems {
        [problem] => show(problem),
        _ => {
            let lines: String = problems.iter().map(|problem| format!("\n\t* {}", show(problem))).collect();
            format!("{} errors occurred:{lines}", problems.len())
        }
    }
}
