//! Names with `${...}` in them.

/// What is wrong with one. The texts are Consul's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindNameError {
    /// It cannot be read.
    #[error("parse error: syntax error")]
    Syntax,
    /// Nothing is known under this name.
    #[error("1:{column}: unknown variable accessed: {name}")]
    Variable {
        /// Where it stands, from 1.
        column: usize,
        /// What it says.
        name: String,
    },
    /// There are no functions.
    #[error("1:{column}: unknown function called: {name}")]
    Function {
        /// Where it stands, from 1.
        column: usize,
        /// What it says.
        name: String,
    },
}

/// The text with the values, in lower case, in place of the variables. `$${` stands for `${`.
///
/// # Errors
/// What cannot be read, or is not known.
pub fn interpolate(text: &str, value: &dyn Fn(&str) -> Option<String>) -> Result<String, BindNameError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(literal) = before.strip_suffix('$') {
            out.push_str(literal);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let end = after.find('}').ok_or(BindNameError::Syntax)?;
        let inside = &after[..end];
        let name = inside.trim();
        let column = text.len() - after.len() + (inside.len() - inside.trim_start().len()) + 1;
        if let Some((function, _)) = name.split_once('(').filter(|(function, _)| is_variable(function)) {
            return Err(BindNameError::Function { column, name: function.to_owned() });
        }
        if !is_variable(name) {
            return Err(BindNameError::Syntax);
        }
        let found = value(name).ok_or_else(|| BindNameError::Variable { column, name: name.to_owned() })?;
        out.push_str(&found.to_lowercase());
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn is_variable(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<String, String> {
        let known = |name: &str| (name == "value.name").then(|| "Web".to_owned());
        interpolate(text, &known).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_become_their_values() {
        assert_eq!(with("plain"), Ok("plain".to_owned()));
        assert_eq!(with("s-${value.name}-${ value.name }"), Ok("s-web-web".to_owned()));
        assert_eq!(with("$${value.name}"), Ok("${value.name}".to_owned()));
        assert_eq!(with("a$b}{"), Ok("a$b}{".to_owned()));
    }

    #[test]
    fn what_is_not_known_is_said_with_its_place() {
        assert_eq!(with("x-${bad}"), Err("1:5: unknown variable accessed: bad".to_owned()));
        assert_eq!(with("${upper(value.name)}"), Err("1:3: unknown function called: upper".to_owned()));
        for text in ["x-${value.name", "${}", "${a b}", "${é}"] {
            assert_eq!(with(text), Err("parse error: syntax error".to_owned()), "{text}");
        }
    }
}
