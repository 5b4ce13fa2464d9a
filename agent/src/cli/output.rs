//! Shapes of output that several commands share: tables and indented JSON.

use serde::Serialize as _;
use serde_json::Value;

/// Columns padded to their widest cell, two spaces apart, nothing after the last. Widths count characters.
#[must_use]
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(ToString::to_string).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&header).chain(rows).collect();
    let width = |column: usize| {
        all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let last = row.len().saturating_sub(1);
        let padded = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column == last {
            true => cell.clone(),
            false => format!("{cell:width$}  "),
        });
        padded.collect::<String>()
    };
    all.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// JSON with an indent for each level.
#[must_use]
pub fn pretty_json(value: &Value, indent: &[u8]) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        // A JSON value in memory always has a text; the compact one is as good.
        Err(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![
            vec!["a".to_owned(), "1".to_owned(), "x".to_owned()],
            vec!["long".to_owned(), String::new(), String::new()],
        ];
        assert_eq!(table(&["Node", "ID", "D"], &rows), "Node  ID  D\na     1   x\nlong      ");
    }
}
