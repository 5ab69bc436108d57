//! `top` and `port`.

use wharfie_engine::container::network::open_ports;
use wharfie_engine::container::top::Top;

use super::ports::bracketed;

use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches};
use crate::render::table;

/// `PROG top`.
pub static TOP: Command<Run> = Command {
    about: "Display the running processes of a container",
    usage: "CONTAINER [ps OPTIONS]",
    arity: Arity::AtLeast(1),
    interspersed: false,
    examples: &[Example { text: "What runs in a container", command: "top web" }],
    complete: Complete::Containers,
    run: Some(top),
    ..Command::BASE
};

/// `PROG port`.
pub static PORT: Command<Run> = Command {
    about: "List port mappings or a specific mapping for the container",
    usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
    arity: Arity::Range(1, 2),
    examples: &[Example { text: "Where a container can be reached", command: "port web 80" }],
    complete: Complete::Containers,
    run: Some(port),
    ..Command::BASE
};

fn top(cx: &Context, matches: &Matches) -> Result {
    let top = Top { container: matches.args()[0].clone(), options: matches.args()[1..].to_vec() };
    let processes = cx.engine()?.top(&top)?;
    let lines = std::iter::once(&processes.titles).chain(&processes.rows);
    let text: String = lines.map(|fields| fields.join("\t") + "\n").collect();
    cx.print(&table::align_with(&text, 20, 1))
}

fn port(cx: &Context, matches: &Matches) -> Result {
    let row = cx.engine()?.container(&matches.args()[0])?;
    let wanted = matches.arg(1).map(|text| if text.contains('/') { text.to_owned() } else { format!("{text}/tcp") });
    let mut text = String::new();
    for port in open_ports(&row) {
        let (inside, address) = (port.inside(), bracketed(&port.address_text()));
        match &wanted {
            None => text.push_str(&format!("{inside} -> {address}:{}\n", port.host)),
            Some(wanted) if *wanted == inside => text.push_str(&format!("{address}:{}\n", port.host)),
            Some(_) => {}
        }
    }
    if let (Some(wanted), true) = (&wanted, text.is_empty()) {
        return Err(Failure::new(format!("no public port '{wanted}' published for {}", matches.args()[0])));
    }
    cx.print(&text)
}
