//! `top`, `stats`, `port`.

use wharfie_engine::container::network::open_ports;

use crate::commands::Run;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Flag, Matches};
use crate::render::{size, table};

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

/// `PROG stats`.
pub static STATS: Command<Run> = Command {
    about: "Display resource usage statistics of containers, once",
    usage: "[OPTIONS] [CONTAINER...]",
    arity: Arity::Any,
    flags: &[
        Flag::bool("all", "Show all containers (default shows just running)").short('a'),
        Flag::bool("no-stream", "Disable streaming stats and only pull the first result"),
        Flag::bool("no-trunc", "Do not truncate output"),
    ],
    examples: &[Example { text: "What containers use", command: "stats --no-stream" }],
    complete: Complete::Containers,
    run: Some(stats),
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

fn stats(cx: &Context, matches: &Matches) -> Result {
    let engine = cx.engine()?;
    let names: Vec<String> = match matches.args() {
        [] => engine
            .list_containers(&wharfie_engine::container::list::ListContainers::default())?
            .into_iter()
            .map(|container| container.row.id)
            .collect(),
        names => names.to_vec(),
    };
    let first: Vec<_> = names.iter().map(|name| engine.stats(name)).collect::<Result<_, _>>()?;
    let pause = std::time::Duration::from_millis(500);
    if !first.is_empty() {
        std::thread::sleep(pause);
    }
    let mut rows = Vec::new();
    for (name, (row, before)) in names.iter().zip(first) {
        let (_, now) = engine.stats(name)?;
        let cpu = now.cpu_nanos.saturating_sub(before.cpu_nanos) as f64 / pause.as_nanos() as f64 * 100.0;
        let limit = now.memory_limit.unwrap_or_else(crate::commands::system::info::memory);
        let share = if limit == 0 { 0.0 } else { now.memory as f64 / limit as f64 * 100.0 };
        let id = if matches.flag("no-trunc") { row.id.clone() } else { row.id[..12].to_owned() };
        rows.push([
            id,
            row.name,
            format!("{cpu:.2}%"),
            format!("{} / {}", size::binary(now.memory), size::binary(limit)),
            format!("{share:.2}%"),
            format!("{} / {}", size::short(now.network_received), size::short(now.network_sent)),
            format!("{} / {}", size::short(now.block_read), size::short(now.block_written)),
            now.pids.to_string(),
        ]);
    }
    cx.print(&table::rows(
        ["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS"],
        &rows,
    ))
}

fn port(cx: &Context, matches: &Matches) -> Result {
    let row = cx.engine()?.container(&matches.args()[0])?;
    let wanted = matches.arg(1).map(|text| if text.contains('/') { text.to_owned() } else { format!("{text}/tcp") });
    let mut text = String::new();
    for port in open_ports(&row) {
        let inside = format!("{}/{}", port.container, port.protocol);
        let address = &port.address;
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
