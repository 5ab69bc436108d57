//! `--change`: Dockerfile instructions applied to an image's configuration, as `import` and `commit` take them.

use wharfie_build::dockerfile::words::{name_values, parse_json_words, split_words};
use wharfie_build::dockerfile::{Dockerfile, Expansion, Node, Variables};
use wharfie_oci::config::{ContainerConfig, Empty, Healthcheck};
use wharfie_oci::duration;

use crate::error::{Error, Result};

/// Applies `changes` in order. `inherited` says whether the configuration comes from a container or image: then an
/// empty command list leaves what was there.
///
/// # Errors
/// When a line is no instruction, none that may be used here, or makes no sense; in docker's words.
pub fn apply(config: &mut ContainerConfig, changes: &[String]) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    // All of them are one Dockerfile, as with docker.
    let Dockerfile { escape, nodes, .. } = Dockerfile::parse(&changes.join("\n"))?;
    let mut state = State { config, escape, is_cmd_set: false, is_entrypoint_set: false };
    for node in &nodes {
        state.apply(node)?;
    }
    // An entrypoint of its own does not want the arguments meant for another one.
    if state.is_entrypoint_set && !state.is_cmd_set {
        state.config.cmd = None;
    }
    Ok(())
}

struct State<'a> {
    config: &'a mut ContainerConfig,
    escape: char,
    is_cmd_set: bool,
    is_entrypoint_set: bool,
}

fn refuse(text: impl Into<String>) -> Error {
    Error::Change(text.into())
}

impl State<'_> {
    fn apply(&mut self, node: &Node) -> Result<()> {
        let (word, rest) = (node.keyword.to_ascii_lowercase(), node.rest.trim());
        let known =
            ["cmd", "entrypoint", "env", "expose", "healthcheck", "label", "onbuild", "user", "volume", "workdir"];
        if !known.contains(&word.as_str()) {
            return Err(refuse(format!("{word} is not a valid change command")));
        }
        let keyword = word.to_ascii_uppercase();
        if rest.is_empty() && !matches!(word.as_str(), "cmd" | "entrypoint") {
            let count = if matches!(word.as_str(), "user" | "workdir") { "exactly" } else { "at least" };
            return Err(refuse(format!("{keyword} requires {count} one argument")));
        }
        if let Some(flag) = rest.strip_prefix("--")
            && word != "healthcheck"
            && word != "onbuild"
        {
            let name = flag.split(|c: char| c == '=' || c.is_whitespace()).next().unwrap_or_default();
            if !name.is_empty() {
                return Err(refuse(format!("Unknown flag: {name}")));
            }
        }
        match word.as_str() {
            "cmd" => self.command(rest)?,
            "entrypoint" => self.entrypoint(rest)?,
            "env" => return self.env(rest),
            "label" => return self.label(rest),
            "expose" => return self.expose(rest),
            "healthcheck" => return self.healthcheck(rest),
            "onbuild" => self.config.on_build.get_or_insert_default().push(trigger(rest)?.to_owned()),
            "user" => self.config.user = self.expand(rest)?,
            "volume" => return self.volume(rest),
            _ => {
                let path = self.expand(rest)?;
                self.config.working_dir = join(&self.config.working_dir, &path);
            }
        }
        Ok(())
    }

    /// Expands a word with the variables of now.
    fn expand(&self, word: &str) -> Result<String> {
        let variables = self.variables();
        Ok(Expansion { variables: &variables, escape: self.escape }.word(word)?)
    }

    fn variables(&self) -> Variables {
        let pairs = self.config.env.iter().flatten().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn command(&mut self, rest: &str) -> Result<()> {
        let words = command_words(rest)?;
        if !words.is_empty() {
            self.config.cmd = Some(words);
            self.is_cmd_set = true;
        }
        Ok(())
    }

    fn entrypoint(&mut self, rest: &str) -> Result<()> {
        let words = command_words(rest)?;
        if !words.is_empty() {
            self.config.entrypoint = Some(words);
            self.is_entrypoint_set = true;
        }
        Ok(())
    }

    fn env(&mut self, rest: &str) -> Result<()> {
        // All pairs of one line see the values from before it.
        let before = self.variables();
        let expansion = Expansion { variables: &before, escape: self.escape };
        for (name, value) in name_values("ENV", rest, self.escape)? {
            let (name, value) = (expansion.word(&name)?, expansion.word(&value)?);
            if name.is_empty() {
                return Err(refuse("ENV names can not be blank"));
            }
            let pair = format!("{name}={value}");
            let env = self.config.env.get_or_insert_default();
            let key = |pair: &String| pair.split('=').next().unwrap_or_default().to_owned();
            match env.iter_mut().find(|known| key(known) == name) {
                Some(known) => *known = pair,
                None => env.push(pair),
            }
        }
        Ok(())
    }

    fn label(&mut self, rest: &str) -> Result<()> {
        let variables = self.variables();
        let expansion = Expansion { variables: &variables, escape: self.escape };
        for (name, value) in name_values("LABEL", rest, self.escape)? {
            let (name, value) = (expansion.word(&name)?, expansion.word(&value)?);
            if name.is_empty() {
                return Err(refuse("LABEL names can not be blank"));
            }
            self.config.labels.get_or_insert_default().insert(name, value);
        }
        Ok(())
    }

    fn expose(&mut self, rest: &str) -> Result<()> {
        let variables = self.variables();
        for word in (Expansion { variables: &variables, escape: self.escape }).words(rest)? {
            for port in ports(&word)? {
                self.config.exposed_ports.get_or_insert_default().insert(port, Empty {});
            }
        }
        Ok(())
    }

    fn volume(&mut self, rest: &str) -> Result<()> {
        let words = match parse_json_words(rest)? {
            Some(words) if words.is_empty() => return Err(refuse("VOLUME requires at least one argument")),
            Some(words) => words,
            None => split_words(rest, self.escape),
        };
        for word in words {
            let path = self.expand(&word)?;
            if path.trim().is_empty() {
                return Err(refuse("VOLUME specified can not be an empty string"));
            }
            self.config.volumes.get_or_insert_default().insert(path, Empty {});
        }
        Ok(())
    }

    fn healthcheck(&mut self, rest: &str) -> Result<()> {
        let mut check = Healthcheck::default();
        let mut rest = rest;
        while let Some(option) = rest.strip_prefix("--") {
            let (option, tail) = option.split_once(|c: char| c.is_whitespace()).unwrap_or((option, ""));
            rest = tail.trim_start();
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let nanoseconds = || -> Result<i64> {
                let parsed =
                    duration::parse(value).ok_or_else(|| refuse(format!("time: invalid duration \"{value}\"")))?;
                if parsed < MIN_INTERVAL {
                    return Err(refuse(format!("Interval \"{name}\" cannot be less than 1ms")));
                }
                Ok(parsed)
            };
            match name {
                "interval" => check.interval = nanoseconds()?,
                "timeout" => check.timeout = nanoseconds()?,
                "start-period" => check.start_period = nanoseconds()?,
                "start-interval" => check.start_interval = nanoseconds()?,
                "retries" => {
                    check.retries = value
                        .parse()
                        .ok()
                        .filter(|n| *n >= 0)
                        .ok_or_else(|| refuse(format!("--retries must be at least 0 (not \"{value}\")")))?;
                }
                _ => return Err(refuse(format!("Unknown flag: {name}"))),
            }
        }
        if rest.is_empty() {
            return Err(refuse("HEALTHCHECK requires at least one argument"));
        }
        let (kind, command) = rest.split_once(|c: char| c.is_whitespace()).unwrap_or((rest, ""));
        check.test = Some(match kind.to_ascii_uppercase().as_str() {
            "NONE" if command.trim().is_empty() => vec!["NONE".to_owned()],
            "NONE" => return Err(refuse("HEALTHCHECK NONE takes no arguments")),
            "CMD" if command.trim().is_empty() => return Err(refuse("Missing command after HEALTHCHECK CMD")),
            "CMD" => match parse_json_words(command.trim())? {
                Some(words) if words.is_empty() => return Err(refuse("Missing command after HEALTHCHECK CMD")),
                Some(words) => std::iter::once("CMD".to_owned()).chain(words).collect(),
                None => vec!["CMD-SHELL".to_owned(), command.trim().to_owned()],
            },
            kind => return Err(refuse(format!("Unknown type \"{kind}\" in HEALTHCHECK (try CMD)"))),
        });
        self.config.healthcheck = Some(check);
        Ok(())
    }
}

/// Exec form as it is, shell form behind the shell; nothing is expanded in either.
fn command_words(rest: &str) -> Result<Vec<String>> {
    Ok(match parse_json_words(rest)? {
        Some(words) => words,
        None if rest.is_empty() => Vec::new(),
        None => vec!["/bin/sh".to_owned(), "-c".to_owned(), rest.to_owned()],
    })
}

/// An instruction that may wait for another build.
fn trigger(rest: &str) -> Result<&str> {
    match rest.split_whitespace().next().unwrap_or_default().to_ascii_uppercase().as_str() {
        "ONBUILD" => Err(refuse("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")),
        word @ ("FROM" | "MAINTAINER") => Err(refuse(format!("{word} isn't allowed as an ONBUILD trigger"))),
        _ => Ok(rest),
    }
}

/// 1 ms, in nanoseconds: more often nobody can look.
const MIN_INTERVAL: i64 = 1_000_000;

/// `80`, `80/udp`, `9000-9002/tcp`, `8080:80`: every port of the container with its protocol. Where it would be on the
/// host is no matter here.
fn ports(word: &str) -> Result<Vec<String>> {
    let (whole, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let (_, range) = whole.rsplit_once(':').unwrap_or(("", whole));
    let bad = || refuse(format!("Invalid containerPort: {range}"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(refuse(format!("invalid proto: {protocol}")));
    }
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| text.parse::<u16>().map_err(|_| bad());
    let (first, last) = (number(first)?, number(last)?);
    if last < first {
        return Err(bad());
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

/// A path seen from another, cleaned: no `.`, no `..`, no doubled slashes.
fn join(from: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{from}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn base() -> ContainerConfig {
        ContainerConfig {
            env: Some(vec!["Q=1".to_owned()]),
            cmd: Some(vec!["true".to_owned()]),
            exposed_ports: Some(BTreeMap::from([("1/tcp".to_owned(), Empty {})])),
            labels: Some(BTreeMap::from([("base".to_owned(), "yes".to_owned())])),
            ..ContainerConfig::default()
        }
    }

    fn check(start: ContainerConfig, changes: &[&str], expected: &str) {
        let mut config = start;
        let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        let text = match apply(&mut config, &changes) {
            Ok(()) => serde_json::to_string(&config).unwrap(),
            Err(why) => why.to_string(),
        };
        assert_eq!(text, expected, "{changes:?}");
    }

    #[test]
    fn changes_seen_on_a_commit() {
        let rest = r#""ExposedPorts":{"1/tcp":{}},"Env":["Q=1"]"#;
        let labels = r#""Labels":{"base":"yes"}"#;
        check(base(), &["ENTRYPOINT [\"/e\"]"], &format!(r#"{{{rest},"Entrypoint":["/e"],{labels}}}"#));
        check(
            base(),
            &["ENTRYPOINT /e x", "CMD y"],
            &format!(r#"{{{rest},"Entrypoint":["/bin/sh","-c","/e x"],"Cmd":["/bin/sh","-c","y"],{labels}}}"#),
        );
        check(base(), &["CMD []"], &format!(r#"{{{rest},"Cmd":["true"],{labels}}}"#));
        check(base(), &["ENTRYPOINT []"], &format!(r#"{{{rest},"Cmd":["true"],{labels}}}"#));
        check(
            base(),
            &["ENV Q=2 P=$Q", "WORKDIR x", "LABEL base=no", "EXPOSE 1/udp"],
            r#"{"ExposedPorts":{"1/tcp":{},"1/udp":{}},"Env":["Q=2","P=1"],"Cmd":["true"],"WorkingDir":"/x","Labels":{"base":"no"}}"#,
        );
    }

    #[test]
    fn changes_seen_on_an_import() {
        let empty = ContainerConfig::default;
        check(empty(), &["cmd x", "cmd y z"], r#"{"Cmd":["/bin/sh","-c","y z"]}"#);
        check(empty(), &["HEALTHCHECK NONE", "ENTRYPOINT []", "CMD []"], r#"{"Healthcheck":{"Test":["NONE"]}}"#);
        check(
            empty(),
            &["CMD $A", "ENV PATH=$PATH:/x", "WORKDIR $PATH"],
            r#"{"Env":["PATH=:/x"],"Cmd":["/bin/sh","-c","$A"],"WorkingDir":"/:/x"}"#,
        );
        check(
            empty(),
            &["HEALTHCHECK --interval=1m30s --retries=3 CMD curl -f x"],
            r#"{"Healthcheck":{"Test":["CMD-SHELL","curl -f x"],"Interval":90000000000,"Retries":3}}"#,
        );
        check(empty(), &["ENV A b c", "ENV B=\"x y\" C=z"], r#"{"Env":["A=b c","B=x y","C=z"]}"#);
        check(empty(), &["EXPOSE 9000-9001 53/udp"], r#"{"ExposedPorts":{"53/udp":{},"9000/tcp":{},"9001/tcp":{}}}"#);
        check(empty(), &["VOLUME /a /b", "VOLUME [\"/c d\"]"], r#"{"Volumes":{"/a":{},"/b":{},"/c d":{}}}"#);
        check(empty(), &["WORKDIR a", "WORKDIR ../b"], r#"{"WorkingDir":"/b"}"#);
        check(empty(), &["ONBUILD RUN x", "USER u:${G:-g}"], r#"{"User":"u:g","OnBuild":["RUN x"]}"#);
    }

    #[test]
    fn changes_are_read_as_one_dockerfile() {
        let empty = ContainerConfig::default;
        let several = r#"{"Env":["b=1","c=2"],"Cmd":["a"],"Labels":{"x":"y"}}"#;
        check(empty(), &["CMD [\"a\"]\nENV b=1 c=2\nLABEL x=y"], several);
        check(empty(), &["# note\nCMD [\"a\"] # rest", "ENV b=1 \\", "  c=2", "LABEL x=y"], several);
        check(empty(), &["EXPOSE 8080:80 127.0.0.1:53:53/udp"], r#"{"ExposedPorts":{"53/udp":{},"80/tcp":{}}}"#);
        check(empty(), &["ENV a=$$x"], r#"{"Env":["a=x"]}"#);
    }

    #[test]
    fn refusals_use_dockers_words() {
        for (change, expected) in [
            ("RUN x", "run is not a valid change command"),
            ("STOPSIGNAL 9", "stopsignal is not a valid change command"),
            ("Frob", "frob is not a valid change command"),
            ("", "file with no instructions"),
            ("# x", "file with no instructions"),
            ("ENV", "ENV requires at least one argument"),
            ("ENV a", "ENV must have two arguments"),
            ("LABEL me", "LABEL must have two arguments"),
            ("ENV a=b c", "Syntax error - can't find = in \"c\". Must be of the form: name=value"),
            ("EXPOSE 99999", "Invalid containerPort: 99999"),
            ("USER", "USER requires exactly one argument"),
            ("CMD --x a", "Unknown flag: x"),
            ("ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
            ("ONBUILD from x", "FROM isn't allowed as an ONBUILD trigger"),
            ("CMD [1, 2]", "when using JSON array syntax, arrays must be comprised of strings only"),
            ("VOLUME []", "VOLUME requires at least one argument"),
            ("HEALTHCHECK CMD []", "Missing command after HEALTHCHECK CMD"),
            ("HEALTHCHECK --interval=0s CMD x", "Interval \"interval\" cannot be less than 1ms"),
            ("HEALTHCHECK --retries=1", "HEALTHCHECK requires at least one argument"),
            ("CMD a\nRUN x", "run is not a valid change command"),
        ] {
            check(ContainerConfig::default(), &[change], expected);
        }
    }
}
