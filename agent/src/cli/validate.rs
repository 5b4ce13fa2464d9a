//! `consul validate`.

use config::Inputs;

use super::agent::config_format;
use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};
use super::sources::{check_data_dir, host, read};

/// The row.
pub const COMMAND: Command = Command {
    name: "validate",
    synopsis: "Validate config files/directories",
    usage: "[options] FILE_OR_DIRECTORY...",
    about: "Reads configuration files as the agent would, without starting one, and tells everything that is wrong.\n\
            Of a directory the .json and .hcl files are read, in lexical order.",
    flags: &[
        Flag::new("config-format", Takes::Text("string"), "Format of all files whatever their names: hcl or json."),
        Flag::new("quiet", Takes::Bool, "Print nothing where all is well."),
    ],
    shared: Shared::None,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    if parsed.args.is_empty() {
        return Err(Failure::new("Must specify at least one config file or directory"));
    }
    let failed = |text: String| Failure::new(format!("Config validation failed: {text}"));
    let format = config_format(parsed.text("config-format")).map_err(failed)?;
    let (mut inputs, mut warnings) = (Inputs::default(), Vec::new());
    for path in &parsed.args {
        let found = read(path, format).map_err(failed)?;
        inputs.files.extend(found.sources);
        warnings.extend(found.skipped);
    }
    let loaded = config::load(&inputs, &host()).map_err(|problems| failed(problems.to_string()))?;
    if let Some(data_dir) = &loaded.config.data_dir {
        check_data_dir(data_dir).map_err(failed)?;
    }
    warnings.extend(loaded.warnings);
    let report = if parsed.is_set("quiet") { Report::silent() } else { Report::line("Configuration is valid!") };
    let err = warnings.into_iter().map(|warning| warning + "\n").collect();
    Ok(Report { err, ..report })
}
