//! `serve`: a registry on this machine, and looking after it.

mod acme;
mod bounds;
mod bucket;
mod images;
mod log;
pub mod options;
mod upstream;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use wharfie_oci::Fault;
use wharfie_registry::auth::Access;
use wharfie_registry::gc::Mode;
use wharfie_registry::tls::Identity;
use wharfie_registry::upstream::Cache;
use wharfie_registry::{Config, Maintenance, Place, Server};

use self::bounds::{QuotaOptions, WebhookOptions};
use self::options::Options;
use crate::commands::{DRY_RUN, Run};
use crate::context::Context;
use crate::env;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Switch, Text, Texts};
use crate::network;
use crate::render::size;
use crate::settings::Settings;

const ADDRESS: Texts = Texts::new("address", "Address to listen on, HOST:PORT (default 127.0.0.1:5000)")
    .complete(Complete::Nothing)
    .value_name("address");
const ANONYMOUS_PULL: Switch = Switch::new("anonymous-pull", "Let whoever has not logged in pull");
const HTPASSWD: Text =
    Text::new("htpasswd", "File of users, as htpasswd -B writes it").complete(Complete::Files).value_name("file");
const IMAGES: Switch = Switch::new("images", "Serve the images of this machine too, as images/NAME:TAG");
const TLS_CERTIFICATE: Text = Text::new("tls-certificate", "Certificate and those that lead to an authority, PEM")
    .complete(Complete::Files)
    .value_name("file");
const TLS_KEY: Text = Text::new("tls-key", "Key of the certificate, PEM").complete(Complete::Files).value_name("file");

/// `PROG serve`.
pub static COMMAND: Command<Run> = Command {
    about: "Serve a registry on this machine",
    usage: "[OPTIONS] [gc|fsck]",
    arity: Arity::AtMost(1),
    flags: &[
        ADDRESS.flag(),
        ANONYMOUS_PULL.flag(),
        DRY_RUN.flag(),
        HTPASSWD.flag(),
        IMAGES.flag(),
        TLS_CERTIFICATE.flag(),
        TLS_KEY.flag(),
    ],
    examples: &[
        Example { text: "A registry at localhost:5000, for this machine only", command: "serve" },
        Example {
            text: "For everybody who can reach port 443, with passwords and encryption",
            command: "serve --address :443 --htpasswd users --tls-certificate cert.pem --tls-key key.pem",
        },
        Example {
            text: "The images of this machine, without pushing them: pull HOST:5000/images/NAME",
            command: "serve --images --address :5000",
        },
        Example {
            text: "What a collection would remove, and why each tag stays or goes",
            command: "serve gc --dry-run",
        },
        Example { text: "Prove that everything is whole", command: "serve fsck" },
    ],
    complete: Complete::Words(&["gc", "fsck"]),
    run: Some(run),
    ..Command::BASE
};

/// Docker's own choice for a registry, on this machine only: there is no password.
const DEFAULT_ADDRESS: &str = "127.0.0.1:5000";
/// 10 s: as long as docker lets a container go on after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(10);

fn run(cx: &Context, matches: &Matches) -> Result {
    let config = config(cx, matches, &cx.settings().serve)?;
    match matches.arg(0) {
        None if matches.get(&DRY_RUN) => {
            Err(Failure::new("--dry-run is for gc").help(Some(format!("run `{} gc --dry-run`", cx.path))))
        }
        None => serve(cx, matches, config),
        Some("gc") => collect(cx, matches, &config),
        Some("fsck") => check(cx, &config),
        Some(other) => Err(Failure::new(format!("{other:?} is nothing that can be done with a registry"))
            .help(Some(format!("write `{0}`, `{0} gc` or `{0} fsck`", cx.path)))),
    }
}

/// What the command line and the settings file say together; the command line wins.
fn config(cx: &Context, matches: &Matches, settings: &Options) -> Result<Config> {
    let mut options = settings.clone();
    let given = matches.get(&ADDRESS);
    if !given.is_empty() {
        options.address = given.to_vec();
    }
    if options.address.is_empty() {
        options.address.push(DEFAULT_ADDRESS.to_owned());
    }
    let file = |flag: &Text, option: &mut Option<PathBuf>| {
        if let Some(path) = matches.get(flag) {
            *option = Some(PathBuf::from(path));
        }
    };
    file(&HTPASSWD, &mut options.htpasswd);
    file(&TLS_CERTIFICATE, &mut options.tls_certificate);
    file(&TLS_KEY, &mut options.tls_key);
    options.images |= matches.get(&IMAGES);
    options.anonymous_pull |= matches.get(&ANONYMOUS_PULL);
    let mut addresses = Vec::new();
    for text in &options.address {
        addresses.extend(resolve(text)?);
    }
    Ok(Config {
        addresses,
        place: match &options.bucket {
            Some(bucket) => Place::Bucket(bucket.read()?),
            None => Place::Directory { root: cx.root().join("registry"), images: Some(cx.root().join("blobs")) },
        },
        limits: options.limits()?,
        clock: env::now,
        access: Arc::new(options.access()?),
        tls: options.tls()?,
        keeping: options.keeping()?,
        quotas: options.quotas.iter().map(QuotaOptions::read).collect::<Result<_>>()?,
        webhooks: options.webhooks.iter().map(WebhookOptions::read).collect::<Result<_>>()?,
        caches: caches(cx, &options)?,
        retry_unit: network::retry_unit(),
        log: Arc::new(log::Lines),
        patience: PATIENCE,
    })
}

/// The caches of other registries. They are asked with the credentials of whoever runs the server.
fn caches(cx: &Context, options: &Options) -> Result<Vec<Cache>> {
    let mut caches: Vec<Cache> = Vec::new();
    if options.images {
        caches.push(images::cache(cx.engine_for_caches()?));
    }
    for upstream in &options.upstreams {
        let engine = cx.engine_for_caches()?;
        let cache = upstream.read(|host| engine.upstream(host))?;
        // Of two that share a beginning, nobody could say which one a name means.
        let is_within = |a: &str, b: &str| a == b || a.starts_with(&format!("{b}/"));
        if let Some(other) = caches.iter().find(|known| {
            known.registry == cache.registry
                || is_within(&known.prefix, &cache.prefix)
                || is_within(&cache.prefix, &known.prefix)
        }) {
            let text = format!("two upstreams share {:?}", other.prefix);
            return Err(
                Failure::new(text).help(Some("give each a prefix of its own, and each registry once".to_owned()))
            );
        }
        caches.push(cache);
    }
    Ok(caches)
}

fn serve(cx: &Context, matches: &Matches, mut config: Config) -> Result {
    // Before anything listens: a signal that comes early must not be lost.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|why| Failure::new(format!("cannot listen for signals: {why}")))?;
    let server = Server::start(&config).map_err(|why| failed(&why))?;
    let is_reached = config.addresses.iter().any(|address| !address.ip().is_loopback());
    if is_reached
        && matches!(*config.access, Access::Open)
        && config.tls.as_ref().is_none_or(|tls| tls.client_authorities.is_none())
    {
        cx.warn("WARNING: whoever reaches this address can push and delete; --htpasswd FILE asks for passwords");
    }
    while signals.forever().next() == Some(SIGHUP) {
        // Whoever made a mistake in the file shall not end the server with it.
        match reload(cx, matches, &server, &config) {
            Ok(new) => config = new,
            Err(why) => log::say(&format!("error: the settings stay as they were: {}", why.text)),
        }
    }
    // Who asks twice does not want to wait.
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let _ends = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
    server.stop();
    Ok(())
}

/// Reads the settings again, and gives what the server goes by now.
fn reload(cx: &Context, matches: &Matches, server: &Server, old: &Config) -> Result<Config> {
    let new = config(cx, matches, &Settings::load()?.serve)?;
    server.reconfigure(&new).map_err(|why| failed(&why))?;
    log::say("the settings are read again");
    let is_moved = match (&old.place, &new.place) {
        (Place::Directory { root: one, .. }, Place::Directory { root: other, .. }) => one != other,
        (Place::Bucket(one), Place::Bucket(other)) => one != other,
        _ => true,
    };
    let fixed = [
        ("address", old.addresses != new.addresses),
        ("bucket", is_moved),
        ("http-address of [serve.acme]", proving(old) != proving(&new)),
        ("max-connections", old.limits.connections != new.limits.connections),
    ];
    for (name, _) in fixed.iter().filter(|(_, is_changed)| *is_changed) {
        log::say(&format!("{name} counts when it is started again"));
    }
    // What has not changed is compared with again next time.
    Ok(Config { addresses: old.addresses.clone(), place: old.place.clone(), ..new })
}

/// Where the authority that gives certificates finds its proofs.
fn proving(config: &Config) -> &[SocketAddr] {
    match config.tls.as_ref().map(|tls| &tls.identity) {
        Some(Identity::Acme(options)) => &options.http_addresses,
        Some(Identity::Given { .. }) | None => &[],
    }
}

fn collect(cx: &Context, matches: &Matches, config: &Config) -> Result {
    let mode = if matches.get(&DRY_RUN) { Mode::Rehearse } else { Mode::Collect };
    let maintenance = match mode {
        Mode::Rehearse => Maintenance::beside(config),
        Mode::Collect => Maintenance::alone(config),
    };
    let collected = maintenance.and_then(|maintenance| maintenance.collect(mode)).map_err(|why| failed(&why))?;
    let mut lines = Vec::new();
    for judged in &collected.verdicts {
        lines.push(format!("{}:{} {}", judged.repository, judged.tag, judged.verdict));
    }
    lines.extend(collected.manifests.iter().map(|(name, digest)| format!("manifest {name}@{digest}")));
    lines.extend(collected.links.iter().map(|(name, digest)| format!("blob {name}@{digest}")));
    let bytes = size::short(collected.bytes);
    lines.push(format!("Total reclaimed space: {bytes}"));
    for line in lines {
        cx.line(&line)?;
    }
    cx.end_dry_run(matches);
    Ok(())
}

fn check(cx: &Context, config: &Config) -> Result {
    let maintenance = Maintenance::beside(config);
    let checked = maintenance.and_then(|maintenance| maintenance.check()).map_err(|why| failed(&why))?;
    for problem in &checked.problems {
        cx.line(&problem.to_string())?;
    }
    cx.line(&format!(
        "{} repositories, {} tags, {} manifests, {} blobs of {}: {}",
        checked.repositories,
        checked.tags,
        checked.manifests,
        checked.data,
        size::short(checked.bytes),
        match checked.problems.len() {
            0 => "everything is whole".to_owned(),
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        }
    ))?;
    if checked.problems.is_empty() { Ok(()) } else { Err(Failure::silent()) }
}

fn failed(why: &wharfie_registry::Error) -> Failure {
    Failure::new(crate::compat::reasons(why)).help(why.help())
}

/// The addresses that a text names.
fn resolve(text: &str) -> Result<Vec<SocketAddr>> {
    let failed = |why: String| {
        Failure::new(format!("cannot listen on {text:?}: {why}"))
            .help(Some(format!("give a host and a port, for example --address {DEFAULT_ADDRESS}")))
    };
    let text = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    let found: Vec<SocketAddr> = text.to_socket_addrs().map_err(|why| failed(why.to_string()))?.collect();
    if found.is_empty() { Err(failed("the host has no address".to_owned())) } else { Ok(found) }
}
