//! `inspect`: whatever has that name.

use wharfie_engine::Error;
use wharfie_engine::container::ContainerError;
use wharfie_engine::networks::NetworkError;
use wharfie_engine::patterns::{Named, Which};
use wharfie_engine::volumes::VolumeError;

use super::image::inspect::{FORMAT, print_found};
use super::{Run, container};
use crate::commands::choices;
use crate::context::Context;
use crate::failure::{Failure, Missing, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Needs, Switch, Text};
use crate::render::serialize::value_of;

/// `--size`.
pub(crate) const SIZE: Switch = Switch::new("size", "Display total file sizes if the type is container").short('s');
const TYPE: Text = Text::new("type", "Only inspect objects of the given type").complete(choices::TYPES);

/// `PROG inspect`.
pub static COMMAND: Command<Run> = Command {
    about: "Return low-level information on Docker objects",
    usage: "[OPTIONS] NAME|ID [NAME|ID...]",
    arity: Arity::AtLeast(1),
    flags: &[FORMAT.flag(), SIZE.flag(), TYPE.flag()],
    examples: &[
        Example { text: "Everything about an image", command: "inspect web:1" },
        Example { text: "What it runs", command: "inspect -f '{{.Config.Entrypoint}} {{.Config.Cmd}}' web:1" },
    ],
    complete: Complete::Everything,
    run: Some(run),
    needs: Needs::SightForSizes,
    ..Command::BASE
};

/// Types of objects that docker knows.
const TYPES: &[&str] =
    &["config", "container", "image", "network", "node", "plugin", "secret", "service", "task", "volume"];

fn run(cx: &Context, matches: &Matches) -> Result {
    let kind = matches.get(&TYPE).unwrap_or_default();
    if !kind.is_empty() && !TYPES.contains(&kind) {
        let known: Vec<String> = TYPES.iter().map(|kind| format!("\"{kind}\"")).collect();
        return Err(Failure::new(format!("unknown type: \"{kind}\": must be one of {}", known.join(", "))));
    }
    print_found(cx, matches, |name| {
        let missing = |why: Option<Error>| match (kind, why) {
            ("image", Some(why)) => why.into(),
            ("", _) => Failure {
                missing: [Named::Images, Named::Containers(Which::Any)].map(|named| Missing::new(named, name)).into(),
                ..Failure::new(format!("Error: No such object: {name}"))
            },
            ("container", _) => ContainerError::NoSuch(name.to_owned()).into(),
            ("network", _) => NetworkError::NoSuch(name.to_owned()).into(),
            ("volume", _) => VolumeError::NoSuch(name.to_owned()).into(),
            (kind, _) => Failure::daemon(format!("No such {kind}: {name}")),
        };
        if matches!(kind, "" | "container") {
            match container::document::document(cx.engine()?, name, matches.get(&SIZE)) {
                Ok(found) => return Ok(found),
                Err(Error::Container(ContainerError::NoSuch(_))) if kind.is_empty() => {}
                Err(Error::Container(ContainerError::NoSuch(_))) => return Err(missing(None)),
                Err(why) => return Err(why.into()),
            }
        }
        if kind == "network" {
            return container::network::document(cx, name)?.ok_or_else(|| missing(None));
        }
        if kind == "volume" {
            return container::volume::document(cx, name)?.ok_or_else(|| missing(None));
        }
        if !matches!(kind, "" | "image") {
            return Err(missing(None));
        }
        match cx.engine()?.inspect(name, None) {
            Ok(inspected) => Ok(value_of(&inspected.document())),
            Err(why @ (Error::NoSuchImage(_) | Error::BadName(_))) => match kind {
                "" => match container::network::document(cx, name)? {
                    Some(network) => Ok(network),
                    None => container::volume::document(cx, name)?.ok_or_else(|| missing(Some(why))),
                },
                _ => Err(missing(Some(why))),
            },
            Err(why) => Err(why.into()),
        }
    })
}
