//! Configuration files from disk, and the facts about this host that they may refer to.

use std::path::Path;
use std::{fs, io};

use config::{Format, Host, Interface, Source};
use nix::net::if_::InterfaceFlags;

/// Largest configuration file that is read, bytes.
const FILE_SIZE_MAX: u64 = 16 << 20;

/// Files of one `-config-file` or `-config-dir` and what was passed over.
#[derive(Debug, Default)]
pub struct Found {
    /// Files in lexical order.
    pub sources: Vec<Source>,
    /// Names of files whose format is not known, for a warning.
    pub skipped: Vec<String>,
}

/// Reads a file, or the `*.json` and `*.hcl` files of a directory (not of those below it) in lexical order.
pub fn read(path: &str, format: Option<Format>) -> Result<Found, String> {
    let info = fs::metadata(path).map_err(|error| cannot_open(path, &error))?;
    let mut found = Found::default();
    let mut paths = vec![path.to_owned()];
    if info.is_dir() {
        paths.clear();
        for entry in fs::read_dir(path).map_err(|error| cannot_open(path, &error))? {
            let entry = entry.map_err(|error| cannot_open(path, &error))?.path();
            if !entry.is_dir() {
                paths.push(entry.display().to_string());
            }
        }
        paths.sort();
    }
    for path in paths {
        let Some(format) = format.or_else(|| Format::of_name(&path)) else {
            found
                .skipped
                .push(format!("skipping file {path}, extension must be .hcl or .json, or config format must be set"));
            continue;
        };
        found.sources.push(Source { text: read_text(&path)?, name: path, format });
    }
    Ok(found)
}

fn read_text(path: &str) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| cannot_open(path, &error))?.len();
    if size > FILE_SIZE_MAX {
        return Err(format!("config: {path} has {size} bytes; at most {FILE_SIZE_MAX} are read"));
    }
    let bytes = fs::read(path).map_err(|error| cannot_open(path, &error))?;
    String::from_utf8(bytes).map_err(|_| format!("config: {path} is not UTF-8 text"))
}

fn cannot_open(path: &str, error: &io::Error) -> String {
    format!("config: Open failed on {path}. open {path}: {}", client::os_error_text(error))
}

/// Checks that a data directory is, or can become, one.
pub fn check_data_dir(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(info) if info.is_dir() => Ok(()),
        Ok(_) => Err(format!("data_dir {:?} is not a directory", path.display().to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            Err(format!("Error getting info on data_dir: stat {}: {}", path.display(), client::os_error_text(&error)))
        }
    }
}

/// Name and addresses of this host; what cannot be found out is left empty.
#[must_use]
pub fn host() -> Host {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let interfaces =
        nix::ifaddrs::getifaddrs().map(|all| all.filter_map(|entry| interface(&entry)).collect()).unwrap_or_default();
    Host { name, interfaces, default_interface: default_interface().unwrap_or_default() }
}

fn interface(entry: &nix::ifaddrs::InterfaceAddress) -> Option<Interface> {
    if !entry.flags.contains(InterfaceFlags::IFF_UP) {
        return None;
    }
    let address = entry.address.as_ref()?;
    let ip = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => v4.ip().into(),
        (_, Some(v6)) => v6.ip().into(),
        _ => return None,
    };
    let mask = entry.netmask.as_ref().and_then(|mask| match (mask.as_sockaddr_in(), mask.as_sockaddr_in6()) {
        (Some(v4), _) => Some(v4.ip().to_bits().count_ones()),
        (_, Some(v6)) => Some(v6.ip().to_bits().count_ones()),
        _ => None,
    });
    let named = [
        (InterfaceFlags::IFF_BROADCAST, "broadcast"),
        (InterfaceFlags::IFF_MULTICAST, "multicast"),
        (InterfaceFlags::IFF_POINTOPOINT, "point-to-point"),
    ];
    let bare = Interface::new(&entry.interface_name, ip);
    let prefix = mask.and_then(|bits| u8::try_from(bits).ok()).unwrap_or(bare.prefix);
    let flags = named.iter().filter(|(flag, _)| entry.flags.contains(*flag)).map(|(_, name)| *name).collect();
    Some(Interface { prefix, flags, ..bare })
}

/// The interface of the route to everywhere, from the kernel's table of IPv4 routes.
fn default_interface() -> Option<String> {
    let table = fs::read_to_string("/proc/net/route").ok()?;
    let mut routes = table.lines().skip(1).map(|line| line.split_whitespace());
    routes.find_map(|mut fields| {
        let (name, destination) = (fields.next()?, fields.next()?);
        (destination == "00000000").then(|| name.to_owned())
    })
}
