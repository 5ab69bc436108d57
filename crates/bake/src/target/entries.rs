//! Entries of targets that have fields of their own. Each can be written as a line, `type=registry,ref=…`, or as an object.

use std::collections::BTreeMap;

use crate::csv::{self, Pairs};
use crate::value::{Type, Value, convert, to_json};

/// An attestation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attest {
    /// `sbom`, `provenance`.
    pub kind: String,
    /// True if it is not wanted, though it may be usual.
    pub is_disabled: bool,
    /// What else was said.
    pub attributes: BTreeMap<String, String>,
}

/// Where steps are kept, or looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheEntry {
    /// `registry`, `local`, `inline`, `gha`, ….
    pub kind: String,
    /// What else was said.
    pub attributes: BTreeMap<String, String>,
}

/// What becomes of a result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Export {
    /// `image`, `registry`, `docker`, `oci`, `tar`, `local`, `cacheonly`.
    pub kind: String,
    /// The file or folder; empty if there is none.
    pub destination: String,
    /// What else was said.
    pub attributes: BTreeMap<String, String>,
}

/// A secret that steps may read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Secret {
    /// What steps call it.
    pub id: String,
    /// The file that has it; empty if there is none.
    pub source: String,
    /// The variable of the environment that has it; empty if there is none.
    pub environment: String,
}

/// An SSH agent or keys that steps may use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SshKey {
    /// What steps call it.
    pub id: String,
    /// Sockets and keys; empty for the user's own agent.
    pub paths: Vec<String>,
}

/// An entry that can be written as a line or as an object.
pub(crate) trait Entry: Sized {
    /// What a line says. A line may say several.
    fn parse(line: &str) -> Result<Vec<Self>, String>;
    /// What an object says.
    fn from_fields(fields: &Value) -> Result<Self, String>;
    /// As a value that other attributes can refer to.
    fn value(&self) -> Value;
    /// The type of [`Self::value`].
    fn kind() -> Type {
        Type::texts_by_name()
    }
}

/// The entries that a value is.
pub(crate) fn from_value<E: Entry>(value: &Value) -> Result<Vec<E>, String> {
    let (Value::Tuple(elements) | Value::List(_, elements)) = value else {
        return Err(format!("{} required", Type::List(Box::new(E::kind()))));
    };
    let mut entries = Vec::new();
    for element in elements {
        match element {
            Value::String(line) if line.is_empty() => {}
            Value::String(line) => entries.extend(E::parse(line)?),
            object => entries.push(E::from_fields(object)?),
        }
    }
    Ok(entries)
}

/// The entries that lines are; empty lines are none.
pub(crate) fn from_lines<E: Entry>(lines: &[String]) -> Result<Vec<E>, String> {
    let parsed: Vec<_> =
        lines.iter().filter(|line| !line.is_empty()).map(|line| E::parse(line)).collect::<Result<_, _>>()?;
    Ok(parsed.into_iter().flatten().collect())
}

/// The value that entries are.
pub(crate) fn to_value<E: Entry>(entries: &[E]) -> Value {
    Value::List(E::kind(), entries.iter().map(E::value).collect())
}

/// The last of all entries with the same key, at the place of the first.
pub(crate) fn last_of_each<E, K: PartialEq>(entries: &mut Vec<E>, key: impl Fn(&E) -> K) {
    let mut kept: Vec<E> = Vec::with_capacity(entries.len());
    for entry in entries.drain(..) {
        match kept.iter_mut().find(|before| key(before) == key(&entry)) {
            Some(before) => *before = entry,
            None => kept.push(entry),
        }
    }
    *entries = kept;
}

/// Leaves out repeated entries. What was last fills the gaps, as with buildx, whose order `--print` shows.
pub(crate) fn without_repeats<E: PartialEq>(entries: &mut Vec<E>) {
    for at in (0..entries.len().saturating_sub(1)).rev() {
        if let Some(repeat) = (at + 1..entries.len()).find(|other| entries[*other] == entries[at]) {
            entries.swap_remove(repeat);
        }
    }
}

/// Both lists as one, without repeats.
pub(crate) fn merged<E: Clone + PartialEq>(mut own: Vec<E>, other: &[E]) -> Vec<E> {
    own.extend_from_slice(other);
    without_repeats(&mut own);
    own
}

/// `key=value` fields of a line; keys are in small letters.
fn pairs(line: &str) -> Result<Vec<(String, String)>, String> {
    let fields = csv::fields(line)?;
    let pair = |field: &String| match field.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_lowercase(), value.to_owned())),
        None => Err(format!("invalid value {field}")),
    };
    fields.iter().map(pair).collect()
}

/// The texts that an object's fields are; null ones are left out.
fn texts(fields: &Value) -> Result<BTreeMap<String, String>, String> {
    let made = convert(fields.clone(), &Type::texts_by_name())?;
    let fields = made.fields().cloned().unwrap_or_default();
    Ok(fields
        .into_iter()
        .filter_map(|(name, value)| match value {
            Value::String(text) => Some((name, text)),
            _ => None,
        })
        .collect())
}

fn map(fields: impl IntoIterator<Item = (String, String)>) -> Value {
    Value::Map(Type::String, fields.into_iter().map(|(name, text)| (name, Value::String(text))).collect())
}

fn with(attributes: &BTreeMap<String, String>, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut all = attributes.clone();
    all.extend(more.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    all
}

impl Attest {
    /// As a line.
    pub fn line(&self) -> String {
        let mut pairs = Pairs::default();
        pairs.add("type", &self.kind);
        if self.is_disabled {
            pairs.add("disabled", "true");
        }
        self.attributes.iter().for_each(|(key, value)| pairs.add(key, value));
        pairs.line()
    }

    fn of(fields: impl IntoIterator<Item = (String, String)>) -> Result<Self, String> {
        let mut made = Self::default();
        for (key, value) in fields {
            match key.trim().to_lowercase().as_str() {
                "type" => made.kind = value,
                "disabled" => {
                    made.is_disabled = csv::truth(&value).ok_or_else(|| {
                        format!(
                            "invalid value disabled={value}: strconv.ParseBool: parsing \"{value}\": invalid syntax"
                        )
                    })?;
                }
                _ => drop(made.attributes.insert(key, value)),
            }
        }
        Ok(made)
    }
}

impl Entry for Attest {
    fn parse(line: &str) -> Result<Vec<Self>, String> {
        let fields = csv::fields(line)?;
        let pair = |field: &String| {
            let (key, value) = field.split_once('=').ok_or_else(|| format!("invalid value {field}"))?;
            Ok((key.to_owned(), value.to_owned()))
        };
        let made = Self::of(fields.iter().map(pair).collect::<Result<Vec<_>, String>>()?)?;
        if made.kind.is_empty() {
            return Err("attestation type not specified".to_owned());
        }
        Ok(vec![made])
    }

    fn from_fields(fields: &Value) -> Result<Self, String> {
        Self::of(texts(fields)?)
    }

    fn value(&self) -> Value {
        let disabled: &[_] = if self.is_disabled { &[("disabled", "true")] } else { &[] };
        map(with(&with(&self.attributes, disabled), &[("type", &self.kind)]))
    }
}

impl CacheEntry {
    /// As a line; just the name for a registry's.
    pub fn line(&self) -> String {
        if let ("registry", 1, Some(name)) = (self.kind.as_str(), self.attributes.len(), self.attributes.get("ref")) {
            return name.clone();
        }
        let mut pairs = Pairs::default();
        pairs.add("type", &self.kind);
        self.attributes.iter().for_each(|(key, value)| pairs.add(key, value));
        pairs.line()
    }

    fn named(name: String) -> Self {
        Self { kind: "registry".to_owned(), attributes: BTreeMap::from([("ref".to_owned(), name)]) }
    }
}

impl Entry for CacheEntry {
    fn parse(line: &str) -> Result<Vec<Self>, String> {
        if !line.contains('=') {
            // Names only, each an entry.
            return Ok(csv::fields(line)?.into_iter().map(Self::named).collect());
        }
        let mut made = Self::default();
        for (key, value) in pairs(line)? {
            match key.as_str() {
                "type" => made.kind = value,
                _ => drop(made.attributes.insert(key, value)),
            }
        }
        match made.kind.is_empty() {
            true => Err(format!("type required for \"{}\"", line.replace('"', "\\\""))),
            false => Ok(vec![made]),
        }
    }

    fn from_fields(fields: &Value) -> Result<Self, String> {
        let mut attributes = texts(fields)?;
        let kind = attributes.remove("type").unwrap_or_default();
        match kind.is_empty() {
            true => Err(format!("type required for \"{}\"", to_json(fields).replace('"', "\\\""))),
            false => Ok(Self { kind, attributes }),
        }
    }

    fn value(&self) -> Value {
        map(with(&self.attributes, &[("type", &self.kind)]))
    }
}

impl Export {
    /// As a line.
    pub fn line(&self) -> String {
        let mut pairs = Pairs::default();
        pairs.add("type", &self.kind);
        if !self.destination.is_empty() {
            pairs.add("dest", &self.destination);
        }
        self.attributes.iter().for_each(|(key, value)| pairs.add(key, value));
        pairs.line()
    }

    fn of(mut attributes: BTreeMap<String, String>) -> Result<Self, String> {
        let kind = attributes.remove("type").unwrap_or_default();
        let destination = attributes.remove("dest").unwrap_or_default();
        match kind.is_empty() {
            true => Err("type is required for output".to_owned()),
            false => Ok(Self { kind, destination, attributes }),
        }
    }
}

impl Entry for Export {
    fn parse(line: &str) -> Result<Vec<Self>, String> {
        let fields = csv::fields(line)?;
        if fields.len() == 1 && fields[0] == line && !line.starts_with("type=") {
            let kind = if line == "-" { "tar" } else { "local" };
            return Ok(vec![Self { kind: kind.to_owned(), destination: line.to_owned(), ..Self::default() }]);
        }
        Ok(vec![Self::of(pairs(line)?.into_iter().collect())?])
    }

    fn from_fields(fields: &Value) -> Result<Self, String> {
        Self::of(texts(fields)?)
    }

    fn value(&self) -> Value {
        map(with(&self.attributes, &[("type", &self.kind), ("dest", &self.destination)]))
    }
}

impl Secret {
    /// As a line.
    pub fn line(&self) -> String {
        let mut pairs = Pairs::default();
        for (key, value) in [("id", &self.id), ("src", &self.source), ("env", &self.environment)] {
            if !value.is_empty() {
                pairs.add(key, value);
            }
        }
        pairs.line()
    }

    /// What a line says.
    pub(crate) fn of_line(line: &str) -> Result<Self, String> {
        let mut made = Self::default();
        let mut is_environment = false;
        for field in csv::fields(line).map_err(|why| format!("failed to parse csv secret: {why}"))? {
            let Some((key, value)) = field.split_once('=') else {
                return Err(format!("invalid field '{field}' must be a key=value pair"));
            };
            let (key, value) = (key.to_lowercase(), value.to_owned());
            match key.as_str() {
                "type" if value == "file" || value == "env" => is_environment = value == "env",
                "type" => return Err(format!("unsupported secret type \"{value}\"")),
                "id" => made.id = value,
                "source" | "src" => made.source = value,
                "env" => made.environment = value,
                _ => return Err(format!("unexpected key '{key}' in '{field}'")),
            }
        }
        if is_environment && made.environment.is_empty() {
            made.environment = std::mem::take(&mut made.source);
        }
        Ok(made)
    }
}

impl Entry for Secret {
    fn parse(line: &str) -> Result<Vec<Self>, String> {
        Ok(vec![Self::of_line(line)?])
    }

    fn from_fields(fields: &Value) -> Result<Self, String> {
        let mut fields = object_fields(fields)?;
        let mut text = |name: &str| text_field(&mut fields, name);
        Ok(Self { id: text("id")?, source: text("src")?, environment: text("env")? })
    }

    fn value(&self) -> Value {
        let fields = [("id", &self.id), ("src", &self.source), ("env", &self.environment)];
        Value::Object(fields.into_iter().map(|(name, text)| (name.to_owned(), Value::text(text))).collect())
    }

    fn kind() -> Type {
        let field = |name: &str| (name.to_owned(), (Type::String, true));
        Type::Object(["id", "src", "env"].map(field).into())
    }
}

impl SshKey {
    /// As a line.
    pub fn line(&self) -> String {
        if self.paths.is_empty() {
            return self.id.clone();
        }
        let mut pairs = Pairs::default();
        pairs.add(&self.id, &self.paths.join(","));
        pairs.line()
    }
}

impl Entry for SshKey {
    fn parse(line: &str) -> Result<Vec<Self>, String> {
        let (id, paths) = line.split_once('=').map_or((line, None), |(id, paths)| (id, Some(paths)));
        let paths = paths.map(|paths| paths.split(',').map(str::to_owned).collect()).unwrap_or_default();
        Ok(vec![Self { id: id.to_owned(), paths }])
    }

    fn from_fields(fields: &Value) -> Result<Self, String> {
        let mut fields = object_fields(fields)?;
        let id = text_field(&mut fields, "id")?;
        let paths = fields.remove("paths").unwrap_or(Value::Null);
        let paths = convert(paths, &Type::List(Box::new(Type::String)))?;
        let paths = paths.sequence().unwrap_or_default().iter().map(|path| match path {
            Value::String(path) => Ok(path.clone()),
            _ => Err("must not be null".to_owned()),
        });
        Ok(Self { id, paths: paths.collect::<Result<_, _>>()? })
    }

    fn value(&self) -> Value {
        let fields = [("id".to_owned(), Value::text(&self.id)), ("paths".to_owned(), Value::texts(&self.paths))];
        Value::Object(fields.into())
    }

    fn kind() -> Type {
        let paths = (Type::List(Box::new(Type::String)), true);
        Type::Object([("id".to_owned(), (Type::String, true)), ("paths".to_owned(), paths)].into())
    }
}

fn object_fields(value: &Value) -> Result<BTreeMap<String, Value>, String> {
    value.fields().cloned().ok_or_else(|| "object required".to_owned())
}

fn text_field(fields: &mut BTreeMap<String, Value>, name: &str) -> Result<String, String> {
    let value = fields.remove(name).unwrap_or(Value::Null);
    match convert(value, &Type::String).map_err(|why| format!("attribute \"{name}\": {why}"))? {
        Value::String(text) => Ok(text),
        _ => Ok(String::new()),
    }
}
