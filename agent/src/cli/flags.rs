//! Flags in the style of Go: `-name value`, `-name=value`, one dash or two, all before the first argument.
//!
//! Pure: a table of flags and the words of the command line go in, values and arguments (or the message) come out.

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing, or `=true` and `=false`.
    Bool,
    /// Text; the word names it in the help.
    Text(&'static str),
    /// A whole number.
    Int,
    /// A whole number of at least zero.
    Uint,
}

/// One flag of a command.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Name without the dash.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// What it does.
    pub help: &'static str,
}

impl Flag {
    /// A flag.
    #[must_use]
    pub const fn new(name: &'static str, takes: Takes, help: &'static str) -> Self {
        Self { name, takes, help }
    }
}

/// What a command line said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Flags with their values, in order; a flag may come several times.
    pub flags: Vec<(&'static str, String)>,
    /// What follows the flags.
    pub args: Vec<String>,
}

impl Parsed {
    /// The last value of a flag.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(flag, _)| *flag == name).map(|(_, value)| value.as_str())
    }

    /// All values of a flag.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.flags.iter().filter(move |(flag, _)| *flag == name).map(|(_, value)| value.as_str())
    }

    /// Whether a flag without a value was given (and not as `=false`).
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.value(name).and_then(config::parse_bool).unwrap_or_default()
    }

    /// The last value of a whole-number flag; `None` where it was not given.
    #[must_use]
    pub fn uint(&self, name: &str) -> Option<u64> {
        self.value(name).and_then(parse_uint)
    }

    /// The last value of a text flag that is not empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name).filter(|value| !value.is_empty())
    }
}

/// Reads the words after the command.
pub fn parse(table: &[Flag], words: &[String]) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            parsed.args.extend(rest.cloned());
            break;
        }
        if word == "-" || !word.starts_with('-') {
            parsed.args.push(word.clone());
            parsed.args.extend(rest.cloned());
            break;
        }
        let bare = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or(word);
        if bare.is_empty() || bare.starts_with(['-', '=']) {
            // After a name the value may be a secret.
            let shown = if bare.starts_with('-') { word.split('=').next().unwrap_or_default() } else { word };
            return Err(format!("bad flag syntax: {shown}"));
        }
        let (name, given) = match bare.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (bare, None),
        };
        let Some(flag) = table.iter().find(|flag| flag.name == name) else {
            return Err(format!("flag provided but not defined: -{name}{}", suggestion(table, name)));
        };
        let value = match (flag.takes, given) {
            (_, Some(value)) => value,
            (Takes::Bool, None) => "true".to_owned(),
            (_, None) => rest.next().cloned().ok_or_else(|| format!("flag needs an argument: -{name}"))?,
        };
        check(flag, &value)?;
        parsed.flags.push((flag.name, value));
    }
    Ok(parsed)
}

fn suggestion(table: &[Flag], name: &str) -> String {
    let closest = config::closest(name, table.iter().map(|flag| flag.name));
    closest.map(|name| format!(" (did you mean -{name}?)")).unwrap_or_default()
}

fn check(flag: &Flag, value: &str) -> Result<(), String> {
    let name = flag.name;
    match flag.takes {
        Takes::Bool if config::parse_bool(value).is_none() => Err(format!(
            "invalid boolean value {value:?} for -{name}: strconv.ParseBool: parsing {value:?}: invalid syntax"
        )),
        Takes::Int if value.parse::<i64>().is_err() => {
            Err(format!("invalid value {value:?} for flag -{name}: parse error"))
        }
        Takes::Uint if parse_uint(value).is_none() => {
            Err(format!("invalid value {value:?} for flag -{name}: parse error"))
        }
        _ => Ok(()),
    }
}

fn parse_uint(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Flag] = &[
        Flag::new("bool", Takes::Bool, "b"),
        Flag::new("text", Takes::Text("value"), "t"),
        Flag::new("count", Takes::Uint, "c"),
        Flag::new("port", Takes::Int, "p"),
    ];

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn reads_what_go_reads() {
        let parsed = parse(TABLE, &words("-bool --text=a -text b -count 3 -port=-1 x -bool")).unwrap();
        assert!(parsed.is_set("bool"));
        assert_eq!(parsed.values("text").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((parsed.uint("count"), parsed.value("port")), (Some(3), Some("-1")));
        assert_eq!(parsed.args, ["x", "-bool"]);
        assert!(!parse(TABLE, &words("-bool=false")).unwrap().is_set("bool"));
        assert_eq!(parse(TABLE, &words("-bool -- -text")).unwrap().args, ["-text"]);
        assert_eq!(parse(TABLE, &words("-bool - -text")).unwrap().args, ["-", "-text"]);
    }

    #[test]
    fn refuses_in_gos_words() {
        for (line, message) in [
            ("-bogus", "flag provided but not defined: -bogus"),
            ("-txt=1", "flag provided but not defined: -txt (did you mean -text?)"),
            ("-text", "flag needs an argument: -text"),
            ("-=x", "bad flag syntax: -=x"),
            ("---x", "bad flag syntax: ---x"),
            ("-count=x", "invalid value \"x\" for flag -count: parse error"),
            ("-count=-1", "invalid value \"-1\" for flag -count: parse error"),
            (
                "-bool=maybe",
                "invalid boolean value \"maybe\" for -bool: strconv.ParseBool: parsing \"maybe\": invalid syntax",
            ),
        ] {
            assert_eq!(parse(TABLE, &words(line)).unwrap_err(), message);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_words_are_read_or_refused(line in proptest::collection::vec("[-=a-z0 ]{0,6}", 0..6)) {
            let _outcome = parse(TABLE, &line);
        }

        #[test]
        fn values_come_through_whole(value in "\\PC{0,20}", text in "\\PC{0,20}") {
            let line = vec![format!("--text={value}"), "-text".to_owned(), text.clone(), "end".to_owned()];
            let parsed = parse(TABLE, &line).unwrap();
            proptest::prop_assert_eq!(parsed.values("text").collect::<Vec<_>>(), [&value, &text]);
            proptest::prop_assert_eq!(parsed.args, ["end"]);
        }
    }
}
