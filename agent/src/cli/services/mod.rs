//! `consul services`.

pub mod deregister;
pub mod register;

use model::Json;

use super::frame::{Command, Failure, Run, Shared};
use super::sources::read;

/// The row.
pub const COMMAND: Command = Command {
    name: "services",
    synopsis: "Interact with services",
    usage: "<subcommand> [options] [args]",
    about: "Registers and removes services of the agent.\n\n    $ consul services register web.json\n    \
            $ consul services register -name=web -port=80\n    $ consul services deregister -id=web",
    flags: &[],
    shared: Shared::None,
    run: Run::Group,
};

/// Services of definition files.
fn from_files(paths: &[String]) -> Result<Vec<Json>, Failure> {
    let mut sources = Vec::new();
    for path in paths {
        sources.extend(read(path, None).map_err(|text| Failure::new(format!("Error: {text}")))?.sources);
    }
    let services = config::services(&sources).map_err(|problems| Failure::new(format!("Error: {problems}")))?;
    match services.is_empty() {
        true => Err(Failure::new(
            "Error: the files define no service; a definition is service { ... } in a .hcl or .json file",
        )),
        false => Ok(services),
    }
}

/// A text field of a definition.
fn text<'a>(service: &'a Json, field: &str) -> &'a str {
    service.get(field).and_then(Json::as_str).unwrap_or_default()
}
