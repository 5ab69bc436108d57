//! `top` and `port`.

use wharfie_engine::container::network::open_ports;

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
    let pids = cx.engine()?.processes(&matches.args()[0])?;
    let options: Vec<&str> = matches.args()[1..].iter().map(String::as_str).collect();
    let options = if options.is_empty() { vec!["-ef"] } else { options };
    let list = pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    // The host's own ps knows every option that people give; it is shown the container's processes only.
    let output = std::process::Command::new("ps").args(&options).args(["-p", &list]).output();
    let output = match output {
        Ok(output) if output.status.success() => output,
        // `-e` and `-p` together mean every process: the list is then made from those.
        Ok(_) | Err(_) => return Err(Failure::new("cannot run ps: install the package procps")),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let Some(column) = header.split_whitespace().position(|title| title == "PID") else {
        return Err(Failure::new("Error response from daemon: Couldn't find PID field in ps output"));
    };
    let width = header.split_whitespace().count();
    let mut out = header.split_whitespace().collect::<Vec<_>>().join("\t") + "\n";
    for line in lines {
        let mut fields: Vec<&str> = line.split_whitespace().collect();
        let is_ours = fields.get(column).and_then(|pid| pid.parse::<u32>().ok()).is_some_and(|pid| pids.contains(&pid));
        if is_ours && fields.len() >= width {
            let command = fields.split_off(width - 1).join(" ");
            out.push_str(&format!("{}\t{command}\n", fields.join("\t")));
        }
    }
    cx.print(&table::align_with(&out, 20, 1))
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
