//! The JSON that `--print` gives, as Go writes it.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::request::Bake;
use crate::target::{CacheEntry, Group, Policy, Resources, Target};

/// A JSON text as Go's encoder writes it: `<`, `>`, `&` and two line separators are escaped.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                write!(out, "\\u{:04x}", u32::from(letter)).expect("strings take everything");
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// What `--print` prints: the chosen groups and targets. Ends in a line break.
pub fn print(bake: &Bake) -> String {
    let groups = bake.groups.values().map(|group| (group.name.clone(), of_group(group))).collect();
    let targets = bake.targets.iter().map(|(name, target)| (name.clone(), of_target(target))).collect();
    let mut fields = Fields::default();
    fields.add("group", Json::Object(groups));
    fields.always("target", Json::Object(targets));
    let mut out = String::new();
    fields.object().write(0, &mut out);
    out.push('\n');
    out
}

/// A JSON document, its fields in the order in which they are written.
pub(crate) enum Json {
    Bool(bool),
    Null,
    Number(i64),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Writes it with two blanks for each level.
    pub(crate) fn write(&self, level: usize, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(truth) => out.push_str(&truth.to_string()),
            Self::Number(number) => out.push_str(&number.to_string()),
            Self::String(text) => out.push_str(&quote(text)),
            Self::Array(elements) => {
                let elements: Vec<_> = elements.iter().map(|element| (None, element)).collect();
                Self::write_all(['[', ']'], &elements, level, out);
            }
            Self::Object(fields) => {
                let fields: Vec<_> = fields.iter().map(|(name, field)| (Some(name.as_str()), field)).collect();
                Self::write_all(['{', '}'], &fields, level, out);
            }
        }
    }

    fn write_all(brackets: [char; 2], parts: &[(Option<&str>, &Self)], level: usize, out: &mut String) {
        out.push(brackets[0]);
        for (at, (name, part)) in parts.iter().enumerate() {
            out.push_str(if at == 0 { "\n" } else { ",\n" });
            out.push_str(&"  ".repeat(level + 1));
            if let Some(name) = name {
                out.push_str(&quote(name));
                out.push_str(": ");
            }
            part.write(level + 1, out);
        }
        if !parts.is_empty() {
            out.push('\n');
            out.push_str(&"  ".repeat(level));
        }
        out.push(brackets[1]);
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Bool(_) | Self::Number(_) | Self::Null => false,
            Self::String(text) => text.is_empty(),
            Self::Array(elements) => elements.is_empty(),
            Self::Object(fields) => fields.is_empty(),
        }
    }
}

/// The fields of an object; empty ones are left out.
#[derive(Default)]
pub(crate) struct Fields(Vec<(String, Json)>);

impl Fields {
    /// A field, unless it is empty.
    pub(crate) fn add(&mut self, name: &str, value: Json) {
        if !value.is_empty() {
            self.0.push((name.to_owned(), value));
        }
    }

    /// A field, even if it is empty.
    pub(crate) fn always(&mut self, name: &str, value: Json) {
        self.0.push((name.to_owned(), value));
    }

    /// A text that may be empty, but not missing.
    pub(crate) fn maybe(&mut self, name: &str, value: Option<&String>) {
        self.0.extend(value.map(|text| (name.to_owned(), Json::String(text.clone()))));
    }

    fn texts(&mut self, name: &str, texts: &[String]) {
        self.add(name, Json::Array(texts.iter().cloned().map(Json::String).collect()));
    }

    /// All of them.
    pub(crate) fn object(self) -> Json {
        Json::Object(self.0)
    }
}

/// So that what was evaluated once is not evaluated again when it is read back.
fn escaped(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

fn map(fields: &BTreeMap<String, String>, form: impl Fn(&str) -> String) -> Json {
    Json::Object(fields.iter().map(|(name, text)| (name.clone(), Json::String(form(text)))).collect())
}

fn of_group(group: &Group) -> Json {
    let mut fields = Fields::default();
    fields.add("description", Json::String(group.description.clone()));
    let targets = group.targets.iter().cloned().map(Json::String).collect();
    fields.always("targets", Json::Array(targets));
    fields.object()
}

/// A target in the order of buildx's fields.
pub(crate) fn of_target(target: &Target) -> Json {
    let mut fields = Fields::default();
    let plain = |text: &str| text.to_owned();
    fields.add("description", Json::String(target.description.clone()));
    fields.texts("inherits", &target.inherits);
    fields.texts("annotations", &target.annotations.iter().map(|text| escaped(text)).collect::<Vec<_>>());
    fields.add(
        "attest",
        array(&target.attest, |one| {
            let disabled = one.is_disabled.then_some(("disabled", Json::Bool(true)));
            entry(&one.attributes, [("type", Json::String(one.kind.clone()))].into_iter().chain(disabled))
        }),
    );
    fields.maybe("context", target.context.as_ref());
    fields.add("contexts", map(&target.contexts, plain));
    fields.maybe("dockerfile", target.dockerfile.as_ref());
    fields.maybe("dockerfile-inline", target.dockerfile_inline.as_deref().map(escaped).as_ref());
    fields.add("args", map(&target.args, escaped));
    fields.add("labels", map(&target.labels, escaped));
    fields.texts("tags", target.tags.as_deref().unwrap_or_default());
    let cache = |one: &CacheEntry| entry(&one.attributes, [("type", Json::String(one.kind.clone()))]);
    fields.add("cache-from", array(&target.cache_from, cache));
    fields.add("cache-to", array(target.cache_to.as_deref().unwrap_or_default(), cache));
    fields.maybe("target", target.target.as_ref());
    fields.add(
        "secret",
        array(&target.secrets, |one| {
            let mut fields = Fields::default();
            fields.add("id", Json::String(one.id.clone()));
            fields.add("src", Json::String(one.source.clone()));
            fields.add("env", Json::String(one.environment.clone()));
            fields.object()
        }),
    );
    fields.add(
        "ssh",
        array(&target.ssh, |one| {
            let mut fields = Fields::default();
            fields.add("id", Json::String(one.id.clone()));
            fields.texts("paths", &one.paths);
            fields.object()
        }),
    );
    fields.texts("platforms", target.platforms.as_deref().unwrap_or_default());
    fields.add(
        "output",
        array(target.outputs.as_deref().unwrap_or_default(), |one| {
            let destination = (!one.destination.is_empty()).then(|| ("dest", Json::String(one.destination.clone())));
            entry(&one.attributes, [("type", Json::String(one.kind.clone()))].into_iter().chain(destination))
        }),
    );
    fields.0.extend(target.pull.map(|truth| ("pull".to_owned(), Json::Bool(truth))));
    fields.0.extend(target.no_cache.map(|truth| ("no-cache".to_owned(), Json::Bool(truth))));
    fields.maybe("network", target.network.as_ref());
    fields.texts("no-cache-filter", &target.no_cache_filter);
    fields.maybe("shm-size", target.shm_size.as_ref());
    fields.texts("ulimits", &target.ulimits);
    fields.0.extend(target.resources.as_ref().map(|limits| ("resources".to_owned(), of_resources(limits))));
    fields.maybe("call", target.call.as_ref());
    fields.texts("entitlements", &target.entitlements);
    fields.add("extra-hosts", map(&target.extra_hosts, escaped));
    fields.add("policy", array(&target.policy, of_policy));
    fields.object()
}

fn array<E>(entries: &[E], form: impl Fn(&E) -> Json) -> Json {
    Json::Array(entries.iter().map(form).collect())
}

/// Fields in the order of their names.
fn entry<'n>(attributes: &BTreeMap<String, String>, own: impl IntoIterator<Item = (&'n str, Json)>) -> Json {
    let mut fields: BTreeMap<String, Json> =
        attributes.iter().map(|(name, text)| (name.clone(), Json::String(text.clone()))).collect();
    fields.extend(own.into_iter().map(|(name, field)| (name.to_owned(), field)));
    Json::Object(fields.into_iter().collect())
}

fn of_resources(limits: &Resources) -> Json {
    let mut fields = Fields::default();
    fields.maybe("memory", limits.memory.as_ref());
    fields.maybe("memory-swap", limits.memory_swap.as_ref());
    for (name, number) in
        [("cpu-shares", limits.cpu_shares), ("cpu-period", limits.cpu_period), ("cpu-quota", limits.cpu_quota)]
    {
        fields.0.extend(number.map(|number| (name.to_owned(), Json::Number(number))));
    }
    fields.maybe("cpuset-cpus", limits.cpuset_cpus.as_ref());
    fields.maybe("cpuset-mems", limits.cpuset_mems.as_ref());
    fields.object()
}

/// buildx's structure has no names for JSON; these are Go's.
fn of_policy(policy: &Policy) -> Json {
    let level = policy.log_level.clone().map_or(Json::Null, Json::String);
    let file = |name: &String| {
        Json::Object(vec![("Filename".to_owned(), Json::String(name.clone())), ("Data".to_owned(), Json::Null)])
    };
    let files = match policy.files.is_empty() {
        true => Json::Null,
        false => array(&policy.files, file),
    };
    let fields = [
        ("Files", files),
        ("Reset", Json::Bool(policy.is_reset)),
        ("Disabled", Json::Bool(policy.is_disabled)),
        ("Strict", policy.is_strict.map_or(Json::Null, Json::Bool)),
        ("LogLevel", level),
    ];
    Json::Object(fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect())
}
