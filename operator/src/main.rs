//! The program `consul-operator`: reads its arguments and runs one command.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use operator::cluster::build::Defaults;
use operator::cluster::names::MANAGER;
use operator::{controller, crds, health, manifest};
use serde::Serialize;

const USAGE: &str = "\
Usage: consul-operator COMMAND [OPTION...]

Keeps the ConsulClusters of a Kubernetes cluster as their specs say.

Commands:
  run        Run the operator, inside a cluster or with the current kubeconfig
  crds       Print the custom resource definitions
  manifest   Print everything to apply to an empty cluster
  rules      Print the operator's rights, for the Helm chart

Options:
  --image=IMAGE          Image of the operator and its agents (run, manifest; default: $CONCORD_IMAGE)
  --health-addr=ADDRESS  Where /healthz is answered (run; default: 0.0.0.0:8080)
  --help, --version

RUST_LOG sets what is logged (default: info).
";

/// The options after the command.
struct Options {
    image: Option<String>,
    health_address: String,
}

fn main() -> ExitCode {
    match dispatch(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: Vec<String>) -> Result<()> {
    let mut arguments = arguments.into_iter();
    let command = arguments.next().unwrap_or_default();
    if ["", "help", "-h", "--help"].contains(&command.as_str()) {
        print!("{USAGE}");
        return Ok(());
    }
    if command == "--version" {
        println!("consul-operator {}", env!("CARGO_PKG_VERSION"));
        return Ok(());
    }
    let Some(options) = options(arguments)? else {
        print!("{USAGE}");
        return Ok(());
    };
    match command.as_str() {
        "run" => run(options),
        "crds" => print_yaml(&[crds::consul_cluster()]),
        "manifest" => print_yaml(&manifest::objects(&image(options.image)?)?),
        "rules" => {
            print_yaml(&[serde_json::json!({"rules": manifest::rules(), "coreDNS": manifest::core_dns_rules()})])
        }
        other => bail!("unknown command {other:?}\n\n{USAGE}"),
    }
}

/// The options, or `None` when help is asked for.
fn options(arguments: impl Iterator<Item = String>) -> Result<Option<Options>> {
    let mut options = Options { image: std::env::var("CONCORD_IMAGE").ok(), health_address: "0.0.0.0:8080".to_owned() };
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        if name == "--help" || name == "-h" {
            return Ok(None);
        }
        if name != "--image" && name != "--health-addr" {
            bail!("unknown option {name}\n\n{USAGE}");
        }
        let value = value.or_else(|| arguments.next()).with_context(|| format!("{name} needs a value"))?;
        if name == "--image" {
            options.image = Some(value);
        } else {
            options.health_address = value;
        }
    }
    Ok(Some(options))
}

fn image(image: Option<String>) -> Result<String> {
    image.filter(|image| !image.is_empty()).context("the agents' image is not known; give --image or CONCORD_IMAGE")
}

fn print_yaml(documents: &[impl Serialize]) -> Result<()> {
    for document in documents {
        print!("---\n{}", serde_yaml::to_string(document)?);
    }
    Ok(())
}

#[tokio::main]
async fn run(options: Options) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).init();
    let defaults = Defaults { image: image(options.image)?, version: env!("CARGO_PKG_VERSION").to_owned() };
    let client = Client::try_default()
        .await
        .context("cannot find the Kubernetes API; run inside a cluster or set KUBECONFIG")?;
    update_definitions(&client).await?;
    tracing::info!(version = defaults.version, image = defaults.image, "watching ConsulClusters");
    tokio::select! {
        result = health::serve(&options.health_address) => result,
        () = controller::run(client, defaults) => Ok(()),
    }
}

/// Brings the definitions to this version: Helm installs them once and never updates them.
async fn update_definitions(client: &Client) -> Result<()> {
    let crd = crds::consul_cluster();
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let installed = api.get_opt(&crd.name_any()).await.context("cannot read the custom resource definitions")?;
    if installed.is_none() {
        bail!("{} is not installed; apply operator.yaml or crds/ first", crd.name_any());
    }
    let params = PatchParams::apply(MANAGER).force();
    api.patch(&crd.name_any(), &params, &Patch::Apply(&crd))
        .await
        .context("cannot update the custom resource definitions")?;
    Ok(())
}
